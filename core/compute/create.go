// SPDX-License-Identifier: Apache-2.0

package compute

import (
	"context"
	"fmt"
	"io"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/network"
	"github.com/rhyzome/rhyzome/core/operation"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Create records an instance with its host, ports and addresses, and the operation that will make it. It refuses with
// InvalidField, NameTaken, ImageNotReady, NoHost, SubnetFull, BadState and ResourceBusy.
func (s *Service) Create(ctx context.Context, project string, req core.New, spec core.InstanceSpec) (i core.Instance, op core.Operation, err error) {
	spec = withDefaults(spec)
	faults := check(req, spec)
	err = network.Redraw(func() error {
		op, err = s.accept(ctx, func(tx core.Tx) (op core.Operation, err error) {
			i, op, err = s.acceptCreate(tx, project, req, spec, faults)
			return op, err
		})
		return err
	})
	if err != nil {
		return core.Instance{}, core.Operation{}, err
	}
	return shown(i), op, nil
}

func (s *Service) acceptCreate(tx core.Tx, project string, req core.New, spec core.InstanceSpec, faults []*fault.Error) (core.Instance, core.Operation, error) {
	none := core.Instance{}
	p, err := core.FindProject(tx, project)
	if err != nil {
		return none, core.Operation{}, err
	}
	r, err := resolve(tx, p, spec, faults)
	if err != nil {
		return none, core.Operation{}, err
	}
	host, err := place(tx, r)
	if err != nil {
		return none, core.Operation{}, err
	}
	i := core.Instance{
		Meta: req.Meta(s.newID(), s.now), Project: p.ID, Spec: r.InstanceSpec,
		Status: core.InstanceStatus{State: core.InstanceBuilding, Host: host.ID, HostName: host.Name, Ports: []core.Port{}},
	}
	parents := []string{host.ID, r.image.ID}
	if r.initrd.ID != "" {
		parents = append(parents, r.initrd.ID)
	}
	for at, n := range r.networks {
		port, err := s.networks.AddPort(tx, n, i)
		if fault.ReasonOf(err) == fault.SubnetFull {
			err = fault.Of(err).At(fmt.Sprintf("/spec/networks/%d/network", at))
		}
		if err != nil {
			return none, core.Operation{}, err
		}
		i.Status.Ports = append(i.Status.Ports, port)
		parents = append(parents, n.ID)
	}
	op, err := s.runner.Accept(tx, operation.Request{Kind: kindCreate, Project: p.ID, Resource: refOf(i), Parents: parents})
	if err != nil {
		return none, op, err
	}
	i.Status.Operation = op.ID
	if err := tx.Instances().Insert(i); err != nil {
		return none, op, err
	}
	if err := recount(tx, host.ID); err != nil {
		return none, op, err
	}
	return i, op, s.emit(tx, i, "instance.created", "")
}

func (s *Service) createPlan() operation.Plan {
	return operation.Plan{
		Kind: kindCreate,
		Steps: []operation.Step{
			{Name: "push image", Do: s.pushImage},
			{Name: "create ports", Do: s.createPorts, Undo: s.deletePorts},
			{Name: "create instance", Do: s.applyInstance, Undo: s.deleteInstance},
		},
		Ended:     s.created,
		Leftovers: s.leftovers,
	}
}

// pushImage gives the host's provider the content that it does not have. Nothing undoes it: a provider keeps images.
func (s *Service) pushImage(ctx context.Context, r *operation.Run) error {
	at, err := s.locate(ctx, r.Operation.Resource.ID)
	if err != nil {
		return err
	}
	if err := s.push(ctx, at, r.Progress); fault.ReasonOf(err) != fault.NoCapability {
		return err
	}
	return nil // the provider has its own way to the content, or needs none, or will refuse the instance
}

func (s *Service) push(ctx context.Context, at located, progress provider.Progress) error {
	refs := []provider.ImageRef{at.spec.Image}
	if at.spec.Initrd != nil {
		refs = append(refs, *at.spec.Initrd)
	}
	for _, ref := range refs {
		open := func(offset int64) (io.ReadCloser, error) { return s.images.Open(ctx, ref.SHA256, offset) }
		if err := at.provider.EnsureImage(ctx, ref, open, progress); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) createPorts(ctx context.Context, r *operation.Run) error {
	i, err := s.read(ctx, r.Operation.Resource.ID)
	if err != nil {
		return err
	}
	return s.networks.ApplyPorts(ctx, r, i)
}

// applyInstance makes the instance as its row says. A host may have dropped an image since it was pushed. NoCapability if
// it misses one and its provider takes none.
func (s *Service) applyInstance(ctx context.Context, r *operation.Run) error {
	at, err := s.locate(ctx, r.Operation.Resource.ID)
	if err != nil {
		return err
	}
	_, err = at.provider.ApplyInstance(ctx, r.Fence, at.spec, r.Progress)
	if fault.ReasonOf(err) != fault.ImageMissing {
		return err
	}
	if err := s.push(ctx, at, r.Progress); err != nil {
		return err
	}
	_, err = at.provider.ApplyInstance(ctx, r.Fence, at.spec, r.Progress)
	return err
}

// created sets what became of a new instance. One that was undone holds nothing any more; an abandoned one may still
// be on its host and keeps what it holds until it is deleted.
func (s *Service) created(tx core.Tx, op core.Operation) error {
	i, err := tx.Instances().Get(op.Resource.ID)
	if err != nil {
		return err
	}
	i.Status.Operation, i.Status.State, i.Status.Message = "", settled(i), outcome(op)
	if op.State == core.OperationSucceeded {
		return s.save(tx, i)
	}
	i.Status.State = core.InstanceError
	if op.State == core.OperationAbandoned {
		return s.save(tx, i)
	}
	if err := s.networks.RemovePorts(tx, i.ID); err != nil {
		return err
	}
	host := i.Status.Host
	i.Status.Host, i.Status.HostName, i.Status.Power, i.Status.Ports = "", "", "", []core.Port{}
	if err := s.save(tx, i); err != nil {
		return err
	}
	return recount(tx, host)
}
