// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/operation"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Create records a network, with all that is chosen for it, and the operation that will make it. It refuses with
// InvalidField, NameTaken, NoRouter, NoEndpoint, CIDROverlaps, SegmentsExhausted and PortsExhausted.
func (s *Service) Create(ctx context.Context, project string, req core.New, spec core.NetworkSpec) (n core.Network, op core.Operation, err error) {
	want, faults := check(req, spec)
	err = Redraw(func() error {
		return s.store.Update(ctx, func(tx core.Tx) error {
			n, op, err = s.acceptCreate(tx, project, req, want, faults)
			return err
		})
	})
	if err != nil {
		return core.Network{}, core.Operation{}, err
	}
	s.runner.Wake()
	return n, op, nil
}

func (s *Service) acceptCreate(tx core.Tx, project string, req core.New, want asked, faults []*fault.Error) (core.Network, core.Operation, error) {
	none := core.Network{}
	p, err := core.FindProject(tx, project)
	if err != nil {
		return none, core.Operation{}, err
	}
	choice, err := s.choose(tx, want, faults)
	if err != nil {
		return none, core.Operation{}, err
	}
	n := core.Network{
		Meta: req.Meta(s.newID(), s.now), Project: p.ID, Spec: want.NetworkSpec,
		Status: core.NetworkStatus{
			State: core.NetworkBuilding, Fabric: choice.fabric.Name, Router: choice.router.ID,
			Domain: req.Name + "." + p.Name + ".rhyzome.internal",
		},
	}
	if err := choice.fill(&n, want, s.random); err != nil {
		return none, core.Operation{}, err
	}
	op, err := s.runner.Accept(tx, operation.Request{
		Kind: kindCreate, Project: p.ID, Resource: refOf(n), Parents: []string{choice.router.ID},
	})
	if err != nil {
		return none, op, err
	}
	n.Status.Operation = op.ID
	if err := tx.Networks().Insert(n); err != nil {
		return none, op, err
	}
	return n, op, s.emit(tx, n, "network.created", "")
}

func (s *Service) createPlan() operation.Plan {
	return operation.Plan{
		Kind:      kindCreate,
		Steps:     []operation.Step{{Name: "apply network", Do: s.applyNetwork, Undo: s.deleteNetwork}},
		Ended:     s.created,
		Leftovers: leftovers,
	}
}

// applyNetwork makes the network on its router, and keeps the public key that was made there.
func (s *Service) applyNetwork(ctx context.Context, r *operation.Run) error {
	at, err := s.locate(ctx, r.Operation.Resource.ID)
	if err != nil {
		return err
	}
	made, err := at.provider.ApplyNetwork(ctx, r.Fence, at.spec, r.Progress)
	if err != nil || at.spec.WireGuard == nil {
		return err
	}
	if bad := core.CheckPublicKey("/wireguard_public_key", made.WireGuardPublicKey); bad != nil {
		return fault.New(fault.BackendRefused, "the router made no usable WireGuard key: %w", bad)
	}
	return s.store.Update(ctx, func(tx core.Tx) error {
		n, err := tx.Networks().Get(at.spec.ID)
		if err != nil {
			return err
		}
		n.Status.WireGuard.PublicKey = made.WireGuardPublicKey
		return tx.Networks().Update(n)
	})
}

// created sets what became of a new network. One that was undone holds nothing any more; an abandoned one may still be
// on its router and keeps what it holds until it is deleted.
func (s *Service) created(tx core.Tx, op core.Operation) error {
	n, err := tx.Networks().Get(op.Resource.ID)
	if err != nil {
		return err
	}
	n.Status.Operation, n.Status.State, n.Status.Message = "", core.NetworkReady, ""
	if op.State != core.OperationSucceeded {
		n.Status.State, n.Status.Message = core.NetworkError, outcome(op)
	}
	if op.State == core.OperationFailed || op.State == core.OperationCanceled {
		n.Status.Router, n.Status.SegmentID = "", 0
		n.Status.Subnets, n.Status.WireGuard = []core.Subnet{}, nil
	}
	n.UpdatedAt = s.now()
	if err := tx.Networks().Update(n); err != nil {
		return err
	}
	return s.emit(tx, n, "network.updated", string(n.Status.State))
}
