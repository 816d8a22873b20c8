// SPDX-License-Identifier: Apache-2.0

package compute

import (
	"context"
	"slices"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/operation"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// powerChange is what the steps of a start or stop need: how to go back.
type powerChange struct {
	Generation int64  `json:"generation"` // of the change
	Before     string `json:"before"`
}

// Start records the operation after which an instance runs.
func (s *Service) Start(ctx context.Context, project, instance string) (core.Operation, error) {
	return s.setPower(ctx, kindStart, project, instance, "running")
}

// Stop records the operation after which an instance does not run. It keeps its host, disk and addresses.
func (s *Service) Stop(ctx context.Context, project, instance string) (core.Operation, error) {
	return s.setPower(ctx, kindStop, project, instance, "stopped")
}

// setPower asks for a new generation of the instance, also if the wanted power was asked for before: the guest may
// have shut itself down since.
func (s *Service) setPower(ctx context.Context, kind, project, instance, power string) (core.Operation, error) {
	return s.accept(ctx, func(tx core.Tx) (core.Operation, error) {
		i, err := find(tx, project, instance)
		if err != nil {
			return core.Operation{}, err
		}
		change := powerChange{Generation: i.Generation + 1, Before: i.Spec.Power}
		op, err := s.runner.Accept(tx, operation.Request{
			Kind: kind, Project: i.Project, Resource: refOf(i), Parents: parentsOf(i), Input: change,
		})
		if err != nil {
			return op, err
		}
		if i.Status.Host == "" || i.Status.State == core.InstanceError {
			return op, fault.New(fault.BadState, "instance %s is in state %s; delete it and create it again", i.Name, i.Status.State)
		}
		i.Spec.Power, i.Generation = power, change.Generation
		i.Status.Power, i.Status.Operation = "", op.ID
		return op, s.save(tx, i)
	})
}

func (s *Service) powerPlan(kind string) operation.Plan {
	return operation.Plan{
		Kind:  kind,
		Steps: []operation.Step{{Name: "apply instance", Do: s.applyInstance, Undo: s.revertPower}},
		Ended: s.powerChanged,
	}
}

// revertPower goes back to the power before, with a generation of its own.
func (s *Service) revertPower(ctx context.Context, r *operation.Run) error {
	var change powerChange
	if err := r.Input(&change); err != nil {
		return err
	}
	err := s.store.Update(ctx, func(tx core.Tx) error {
		i, err := tx.Instances().Get(r.Operation.Resource.ID)
		if err != nil || i.Generation > change.Generation {
			return err
		}
		i.Spec.Power, i.Status.Power = change.Before, ""
		i.Generation++
		return s.save(tx, i)
	})
	if err != nil {
		return err
	}
	return s.applyInstance(ctx, r)
}

func (s *Service) powerChanged(tx core.Tx, op core.Operation) error {
	i, err := tx.Instances().Get(op.Resource.ID)
	if err != nil {
		return err
	}
	i.Status.Operation, i.Status.State, i.Status.Message = "", settled(i), outcome(op)
	if op.State == core.OperationAbandoned && i.Status.Power == "" {
		i.Status.State = core.InstanceUnknown
	}
	return s.save(tx, i)
}

// rebootRequest is what the step of a reboot needs.
type rebootRequest struct {
	Hard bool `json:"hard"`
}

// Reboot records the operation that restarts a running instance: by asking the guest, or by a reset if hard.
// NoCapability if its provider cannot, BadState if it does not run.
func (s *Service) Reboot(ctx context.Context, project, instance string, hard bool) (core.Operation, error) {
	return s.accept(ctx, func(tx core.Tx) (core.Operation, error) {
		i, err := find(tx, project, instance)
		if err != nil {
			return core.Operation{}, err
		}
		op, err := s.runner.Accept(tx, operation.Request{
			Kind: kindReboot, Project: i.Project, Resource: refOf(i), Parents: parentsOf(i), Input: rebootRequest{hard},
		})
		if err != nil {
			return op, err
		}
		if i.Status.State != core.InstanceRunning {
			return op, fault.New(fault.BadState, "instance %s is in state %s; only a running one can be rebooted", i.Name, i.Status.State)
		}
		if err := refuseWithoutPower(tx, i); err != nil {
			return op, err
		}
		i.Status.Operation = op.ID
		return op, s.save(tx, i)
	})
}

func refuseWithoutPower(tx core.Tx, i core.Instance) error {
	h, err := tx.Hosts().Get(i.Status.Host)
	if err != nil {
		return err
	}
	p, err := tx.Providers().Get(h.Provider)
	if err != nil {
		return err
	}
	if !slices.Contains(p.Status.Capabilities, core.CapabilityPower) {
		return fault.New(fault.NoCapability, "provider %s of host %s does not offer the capability power; stop and start the instance", p.Name, h.Name)
	}
	return nil
}

func (s *Service) rebootPlan() operation.Plan {
	return operation.Plan{
		Kind:  kindReboot,
		Steps: []operation.Step{{Name: "reboot instance", Do: s.rebootInstance}},
		Ended: s.rebooted,
	}
}

// rebootInstance may be repeated: the provider keeps the operation that rebooted last.
func (s *Service) rebootInstance(ctx context.Context, r *operation.Run) error {
	var req rebootRequest
	if err := r.Input(&req); err != nil {
		return err
	}
	at, err := s.locate(ctx, r.Operation.Resource.ID)
	if err != nil {
		return err
	}
	return at.provider.RebootInstance(ctx, r.Fence, at.spec.ID, r.Operation.ID, req.Hard)
}

// rebooted leaves the state to what is observed: a reboot that failed changed nothing.
func (s *Service) rebooted(tx core.Tx, op core.Operation) error {
	i, err := tx.Instances().Get(op.Resource.ID)
	if err != nil {
		return err
	}
	i.Status.Operation, i.Status.Message = "", outcome(op)
	return s.save(tx, i)
}
