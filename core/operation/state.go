// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"slices"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// transitions are the states that may follow each state. docs/state-machines.md draws them; a test compares.
var transitions = map[core.OperationState][]core.OperationState{
	core.OperationPending: {core.OperationRunning, core.OperationCanceled, core.OperationAbandoned},
	core.OperationRunning: {
		core.OperationWaiting, core.OperationReverting, core.OperationSucceeded, core.OperationAbandoned,
		core.OperationFailed, core.OperationCanceled, // where there is nothing to undo
	},
	core.OperationWaiting:   {core.OperationRunning, core.OperationAbandoned},
	core.OperationReverting: {core.OperationFailed, core.OperationCanceled, core.OperationAbandoned},
}

func mayFollow(before, after core.OperationState) bool {
	return before == after && !before.Ended() || slices.Contains(transitions[before], after)
}

// save writes op, whose state was before, and its event; what a final state means is decided by the plan, in the same
// transaction.
func (r *Runner) save(tx core.Tx, op *core.Operation, before core.OperationState) error {
	if !mayFollow(before, op.State) {
		return fault.New(fault.Bug, "an operation cannot go from %s to %s", before, op.State)
	}
	now := r.now()
	op.UpdatedAt = now
	if op.State.Ended() {
		op.EndedAt, op.WaitingFor, op.LeaseUntil = &now, "", time.Time{}
	}
	if err := tx.Operations().Update(*op); err != nil {
		return err
	}
	if err := emit(tx, *op, "operation.updated"); err != nil {
		return err
	}
	plan := r.plans[op.Kind]
	if !op.State.Ended() || plan.Ended == nil {
		return nil
	}
	return plan.Ended(tx, *op)
}

// begin marks the step that is next as running.
func begin(op *core.Operation, now time.Time) {
	s := &op.Steps[op.Step]
	if s.StartedAt == nil {
		s.StartedAt = &now
	}
	s.State = core.StepRunning
	s.Attempts++
}

// advance marks the step as done and begins the next one, or ends the operation.
func advance(op *core.Operation, plan Plan, now time.Time) {
	s := &op.Steps[op.Step]
	s.State, s.Detail, s.EndedAt = core.StepDone, "", &now
	op.Attempt, op.WaitingFor = 0, ""
	op.Step++
	op.Percent = op.Step * 100 / len(op.Steps)
	switch {
	case op.CancelRequested && plan.undoable():
		revert(op, plan, now)
	case op.Step == len(op.Steps):
		op.State = core.OperationSucceeded
	default:
		begin(op, now)
	}
}

// pause makes the operation wait for its next attempt, and returns how long.
func pause(op *core.Operation, cause error, now time.Time) time.Duration {
	if op.State != core.OperationReverting {
		op.State = core.OperationWaiting
	}
	op.Attempt++
	op.WaitingFor = fault.Of(cause).Message
	wait := backoff(op.Attempt)
	op.RunAt, op.LeaseUntil = now.Add(wait), time.Time{}
	return wait
}

// revert turns the operation round: what was begun is undone, from the last step on.
func revert(op *core.Operation, plan Plan, now time.Time) {
	op.State, op.Attempt, op.WaitingFor = core.OperationReverting, 0, ""
	if op.Step == len(op.Steps) || op.Steps[op.Step].State == core.StepPending {
		op.Step-- // it was not begun
	}
	undoNext(op, plan, now)
}

// undone marks the step as undone and begins to undo the one before it.
func undone(op *core.Operation, plan Plan, now time.Time) {
	s := &op.Steps[op.Step]
	s.State, s.Detail, s.EndedAt = core.StepUndone, "", &now
	op.Attempt, op.WaitingFor = 0, ""
	op.Step--
	undoNext(op, plan, now)
}

// undoNext goes down to the next step that has an undo, or ends the operation.
func undoNext(op *core.Operation, plan Plan, now time.Time) {
	for ; op.Step >= 0; op.Step-- {
		if plan.Steps[op.Step].Undo != nil {
			s := &op.Steps[op.Step]
			s.State, s.EndedAt = core.StepUndoing, nil
			return
		}
		if s := &op.Steps[op.Step]; s.State == core.StepRunning {
			s.State, s.EndedAt = core.StepUndone, &now
		}
	}
	op.Step, op.State = 0, core.OperationCanceled
	if op.Error != nil {
		op.State = core.OperationFailed
	}
}

// realign fits an operation that another version of Rhyzome began to this version's plan. Steps may be repeated, so it
// begins again; undo copes with nothing being there, so it undoes all.
func realign(op *core.Operation, plan Plan, now time.Time) {
	names := plan.stepNames()
	if slices.EqualFunc(op.Steps, names, func(s core.OperationStep, name string) bool { return s.Name == name }) {
		return
	}
	op.Steps, op.Step = pendingSteps(names), 0
	if op.State == core.OperationReverting {
		op.Step = len(names) - 1
		undoNext(op, plan, now)
	}
}

// problem is a fault as users see it.
func problem(err error) *core.Problem {
	f := fault.Of(err)
	p := &core.Problem{Code: string(f.Reason), Detail: f.Message}
	for _, v := range f.Fields {
		p.Errors = append(p.Errors, core.ProblemField(v))
	}
	return p
}
