// SPDX-License-Identifier: Apache-2.0

// Package compute is what users do with instances. Each use case has a file: first the half that runs inside the
// request, in one transaction, then the plan of steps that runs after it.
package compute

import (
	"context"
	"io"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/network"
	"github.com/rhyzome/rhyzome/core/operation"
)

// The kinds of operation.
const (
	kindCreate = "instance.create"
	kindDelete = "instance.delete"
	kindStart  = "instance.start"
	kindStop   = "instance.stop"
	kindReboot = "instance.reboot"
)

// Images gives the content that is pushed to hosts. core/image implements it.
type Images interface {
	Open(ctx context.Context, sha256 string, offset int64) (io.ReadCloser, error)
}

// Service implements the instance use cases.
type Service struct {
	store     core.Store
	providers core.Providers
	runner    *operation.Runner
	networks  *network.Service
	images    Images
	now       core.Clock
	newID     core.NewID
}

// New returns the use cases over a store. The plans are not registered yet.
func New(store core.Store, providers core.Providers, runner *operation.Runner, networks *network.Service, images Images, now core.Clock, newID core.NewID) *Service {
	return &Service{store: store, providers: providers, runner: runner, networks: networks, images: images, now: now, newID: newID}
}

// Plans returns how the operations of instances are carried out.
func (s *Service) Plans() []operation.Plan {
	return []operation.Plan{s.createPlan(), s.deletePlan(), s.powerPlan(kindStart), s.powerPlan(kindStop), s.rebootPlan()}
}

// List returns a page of a project's instances.
func (s *Service) List(ctx context.Context, project string, page core.Page) (rows []core.Instance, next string, err error) {
	err = s.store.View(ctx, func(tx core.Tx) error {
		p, err := core.FindProject(tx, project)
		if err != nil {
			return err
		}
		rows, next, err = core.List(tx.Instances(), core.Query{Project: p.ID, Page: page}, idOf)
		return err
	})
	for n := range rows {
		rows[n] = shown(rows[n])
	}
	return rows, next, err
}

// Get returns an instance by id or name.
func (s *Service) Get(ctx context.Context, project, instance string) (i core.Instance, err error) {
	err = s.store.View(ctx, func(tx core.Tx) error {
		i, err = find(tx, project, instance)
		return err
	})
	return shown(i), err
}

// shown is an instance as people see it: without user data, which may hold secrets.
func shown(i core.Instance) core.Instance {
	if c := i.Spec.CloudInit; c != nil {
		public := *c
		public.UserData = ""
		i.Spec.CloudInit = &public
	}
	return i
}

func find(tx core.Tx, project, instance string) (core.Instance, error) {
	p, err := core.FindProject(tx, project)
	if err != nil {
		return core.Instance{}, err
	}
	return core.FindInstance(tx, p, instance)
}

// accept runs the request half of an operation in one transaction, and wakes the runner.
func (s *Service) accept(ctx context.Context, half func(tx core.Tx) (core.Operation, error)) (op core.Operation, err error) {
	err = s.store.Update(ctx, func(tx core.Tx) error {
		op, err = half(tx)
		return err
	})
	if err != nil {
		return core.Operation{}, err
	}
	s.runner.Wake()
	return op, nil
}

// save stores a changed instance and its event.
func (s *Service) save(tx core.Tx, i core.Instance) error {
	i.UpdatedAt = s.now()
	if err := tx.Instances().Update(i); err != nil {
		return err
	}
	return s.emit(tx, i, "instance.updated", string(i.Status.State))
}

func (s *Service) emit(tx core.Tx, i core.Instance, what, message string) error {
	return tx.Emit(core.Event{At: s.now(), Type: what, Project: i.Project, Resource: refOf(i), Message: message})
}

func refOf(i core.Instance) core.ResourceRef {
	return core.ResourceRef{Kind: "instance", ID: i.ID, Name: i.Name}
}

func idOf(i core.Instance) string { return i.ID }

// parentsOf are the ids of what an instance stands on.
func parentsOf(i core.Instance) []string {
	var all []string
	if i.Status.Host != "" {
		all = append(all, i.Status.Host)
	}
	for _, p := range i.Status.Ports {
		all = append(all, p.Network)
	}
	return all
}

// settled is the state of an instance that nothing is being done with.
func settled(i core.Instance) core.InstanceState {
	power := i.Status.Power
	if power == "" {
		power = i.Spec.Power
	}
	if power == "stopped" {
		return core.InstanceStopped
	}
	return core.InstanceRunning
}

// outcome is what an ended operation leaves to say on its resource.
func outcome(op core.Operation) string {
	switch {
	case op.State == core.OperationSucceeded:
		return ""
	case op.Error != nil:
		return op.Error.Detail
	}
	return op.Kind + " was " + string(op.State)
}
