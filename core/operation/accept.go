// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"encoding/json"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Accept records a pending operation and its event in the caller's transaction; after the commit the caller calls Wake.
//
// It refuses with fault.ResourceBusy, naming the other operation, when another open operation holds the resource, or
// holds one of the parents exclusively, or shares the resource as a parent of its own.
func (r *Runner) Accept(tx core.Tx, req Request) (core.Operation, error) {
	if len(req.Steps) == 0 {
		plan, err := r.plan(req.Kind)
		if err != nil {
			return core.Operation{}, err
		}
		req.Steps = plan.stepNames()
	}
	if len(req.Steps) == 0 {
		return core.Operation{}, fault.New(fault.Bug, "the plan for %s has no steps", req.Kind)
	}
	if err := refuseConflicts(tx, req); err != nil {
		return core.Operation{}, err
	}
	op, err := r.pending(req)
	if err != nil {
		return core.Operation{}, err
	}
	if err := tx.Operations().Insert(op); err != nil {
		return core.Operation{}, err
	}
	return op, emit(tx, op, "operation.created")
}

func (r *Runner) pending(req Request) (core.Operation, error) {
	now := r.now()
	op := core.Operation{
		ID: r.newID(), Project: req.Project, Kind: req.Kind, Resource: req.Resource,
		State: core.OperationPending, CreatedAt: now, UpdatedAt: now, RunAt: now,
		Parents: req.Parents, Steps: pendingSteps(req.Steps),
	}
	if req.Input != nil {
		input, err := json.Marshal(req.Input)
		if err != nil {
			return op, &fault.Error{Code: fault.Internal, Reason: fault.Bug, Message: "the operation's input cannot be stored", Err: err}
		}
		op.Input = input
	}
	return op, nil
}

func pendingSteps(names []string) []core.OperationStep {
	steps := make([]core.OperationStep, len(names))
	for i, name := range names {
		steps[i] = core.OperationStep{Name: name, State: core.StepPending}
	}
	return steps
}

// refuseConflicts keeps the rule that an operation holds its resource exclusively and the parents shared.
func refuseConflicts(tx core.Tx, req Request) error {
	held := []core.Query{
		{Open: true, Parent: req.Resource.ID},
		{Open: true, Shared: req.Resource.ID},
	}
	for _, parent := range req.Parents {
		held = append(held, core.Query{Open: true, Parent: parent})
	}
	for _, q := range held {
		q.Limit = 1
		others, err := tx.Operations().Find(q)
		if err != nil {
			return err
		}
		if len(others) > 0 {
			return busy(others[0])
		}
	}
	return nil
}

func busy(other core.Operation) error {
	return fault.New(fault.ResourceBusy, "operation %s (%s of %s %s) is at work", other.ID, other.Kind,
		other.Resource.Kind, other.Resource.Name).With("operation", other.ID)
}

// emit announces a change of an operation, in the transaction of the change.
func emit(tx core.Tx, op core.Operation, what string) error {
	return tx.Emit(core.Event{
		Type: what, Project: op.Project, At: op.UpdatedAt, Message: string(op.State),
		Resource: core.ResourceRef{Kind: "operation", ID: op.ID, Name: op.Kind},
	})
}
