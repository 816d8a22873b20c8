// SPDX-License-Identifier: Apache-2.0

package operationtest

import (
	"context"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/operation"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// trial is one thing that can happen to an operation, and how it must end then.
type trial struct {
	name   string
	want   core.OperationState
	tamper func(*situation)
}

var (
	errPermanent = fault.New(fault.BackendRefused, "a permanent fault, made by operationtest")
	errTemporary = fault.New(fault.ProviderAway, "a temporary fault, made by operationtest")
)

func trials(plan operation.Plan) []trial {
	all := []trial{
		{"nothing happens", core.OperationSucceeded, func(*situation) {}},
		{"every step is repeated", core.OperationSucceeded, repeatSteps},
	}
	broken := core.OperationFailed
	if plan.Forward {
		broken = core.OperationSucceeded
	}
	for i, step := range plan.Steps {
		all = append(all,
			trial{"temporary fault before " + step.Name, core.OperationSucceeded, faultBefore(i, errTemporary)},
			trial{"temporary fault after " + step.Name, core.OperationSucceeded, faultAfter(i, errTemporary)},
			trial{"permanent fault before " + step.Name, broken, faultBefore(i, errPermanent)},
			trial{"permanent fault after " + step.Name, broken, faultAfter(i, errPermanent)},
			trial{"death before the commit of " + step.Name, core.OperationSucceeded, deathBefore(i)},
			trial{"death after the commit of " + step.Name, core.OperationSucceeded, deathAfter(step.Name)},
		)
		if plan.Forward {
			continue
		}
		all = append(all, trial{"cancel in " + step.Name, core.OperationCanceled, cancelIn(i)})
		if step.Undo != nil {
			all = append(all,
				trial{"death before the commit of undo " + step.Name, core.OperationFailed, deathBeforeUndo(i)},
				trial{"death after the commit of undo " + step.Name, core.OperationFailed, deathAfterUndo(step.Name)},
				trial{"fault in undo " + step.Name, core.OperationFailed, faultInUndo(i)},
			)
		}
	}
	return all
}

// action is one half of a step.
type action func(context.Context, *operation.Run) error

// twice does an action twice; nil stays nil.
func twice(f action) action {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, r *operation.Run) error {
		if err := f(ctx, r); err != nil {
			return err
		}
		return f(ctx, r)
	}
}

// once fails the first time, before or after the action, and then is the action.
func once(f action, err error, after bool) action {
	failed := false
	return func(ctx context.Context, r *operation.Run) error {
		if failed {
			return f(ctx, r)
		}
		failed = true
		if after {
			if err := f(ctx, r); err != nil {
				return err
			}
		}
		return err
	}
}

func repeatSteps(s *situation) {
	for i := range s.plan.Steps {
		s.plan.Steps[i].Do = twice(s.plan.Steps[i].Do)
	}
}

func repeatUndo(s *situation) {
	for i := range s.plan.Steps {
		s.plan.Steps[i].Undo = twice(s.plan.Steps[i].Undo)
	}
}

func faultBefore(i int, err error) func(*situation) {
	return func(s *situation) {
		repeatUndo(s)
		s.plan.Steps[i].Do = once(s.plan.Steps[i].Do, err, false)
	}
}

func faultAfter(i int, err error) func(*situation) {
	return func(s *situation) {
		repeatUndo(s)
		s.plan.Steps[i].Do = once(s.plan.Steps[i].Do, err, true)
	}
}

// lastFails makes the whole plan be undone.
func lastFails(s *situation) {
	faultAfter(len(s.plan.Steps)-1, errPermanent)(s)
}

func faultInUndo(i int) func(*situation) {
	return func(s *situation) {
		lastFails(s)
		s.plan.Steps[i].Undo = once(s.plan.Steps[i].Undo, errPermanent, true)
	}
}

func cancelIn(i int) func(*situation) {
	return func(s *situation) {
		repeatUndo(s)
		do := s.plan.Steps[i].Do
		s.plan.Steps[i].Do = func(ctx context.Context, r *operation.Run) error {
			if err := do(ctx, r); err != nil {
				return err
			}
			_, err := s.runner.Cancel(ctx, r.Operation.ID)
			return err
		}
	}
}

// dying does the action, and then the process dies.
func (s *situation) dying(f action) action {
	return func(ctx context.Context, r *operation.Run) error {
		err := f(ctx, r)
		s.store.die()
		return err
	}
}

func deathBefore(i int) func(*situation) {
	return func(s *situation) { s.plan.Steps[i].Do = s.dying(s.plan.Steps[i].Do) }
}

func deathAfter(step string) func(*situation) {
	return func(s *situation) {
		s.dies = func(_ core.Operation, ended string) bool { return ended == step }
	}
}

func deathBeforeUndo(i int) func(*situation) {
	return func(s *situation) {
		lastFails(s)
		s.plan.Steps[i].Undo = s.dying(s.plan.Steps[i].Undo)
	}
}

func deathAfterUndo(step string) func(*situation) {
	return func(s *situation) {
		lastFails(s)
		s.dies = func(op core.Operation, ended string) bool {
			return ended == step && op.State != core.OperationRunning && op.State != core.OperationSucceeded
		}
	}
}
