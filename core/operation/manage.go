// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// List returns a page of a project's operations (of all, if project is empty), in the order of their creation, and the
// cursor of the next page.
func (r *Runner) List(ctx context.Context, project string, page core.Page) (ops []core.Operation, next string, err error) {
	err = r.store.View(ctx, func(tx core.Tx) error {
		query := core.Query{Page: page}
		if project != "" {
			p, err := core.FindProject(tx, project)
			if err != nil {
				return err
			}
			query.Project = p.ID
		}
		ops, next, err = core.List(tx.Operations(), query, func(o core.Operation) string { return o.ID })
		return err
	})
	return ops, next, err
}

// Get returns an operation. Leftovers of an open one says what abandoning it now would leave behind.
func (r *Runner) Get(ctx context.Context, id string) (op core.Operation, err error) {
	err = r.store.View(ctx, func(tx core.Tx) error {
		if op, err = tx.Operations().Get(id); err != nil || op.State.Ended() {
			return err
		}
		op.Leftovers, err = r.leftovers(tx, op)
		return err
	})
	return op, err
}

// Cancel asks to undo what the operation did so far. It returns at once; the undo is the operation's own work. It may
// be called again. fault.BadState if it has ended, or its plan has no undo.
func (r *Runner) Cancel(ctx context.Context, id string) (core.Operation, error) {
	op, err := r.change(ctx, id, func(_ core.Tx, op *core.Operation) error {
		plan, err := r.plan(op.Kind)
		if err != nil {
			return err
		}
		if plan.Forward {
			return fault.New(fault.BadState, "%s cannot be undone; it can be abandoned", op.Kind)
		}
		if op.State == core.OperationReverting {
			return nil // it is being undone; that is not interrupted
		}
		op.CancelRequested = true
		if op.State == core.OperationPending {
			op.State = core.OperationCanceled // nothing was begun
		}
		op.RunAt = r.now()
		return nil
	})
	if err == nil && op.State != core.OperationReverting {
		r.interrupt(id, errCanceled)
		r.poke()
	}
	return op, err
}

// Abandon gives the operation up, in whatever state it is: nothing more is done for it, and Leftovers says what stays
// behind. fault.BadState if it has ended.
func (r *Runner) Abandon(ctx context.Context, id string) (core.Operation, error) {
	op, err := r.change(ctx, id, func(tx core.Tx, op *core.Operation) (err error) {
		if op.Leftovers, err = r.leftovers(tx, *op); err != nil {
			return err
		}
		op.State = core.OperationAbandoned // whoever carries it out now has lost it
		op.Error = problem(fault.New(fault.OperationAbandon, "the operation was abandoned"))
		return nil
	})
	if err == nil {
		r.interrupt(id, errLost)
	}
	return op, err
}

// change changes an open operation from outside its claim.
func (r *Runner) change(ctx context.Context, id string, f func(core.Tx, *core.Operation) error) (op core.Operation, err error) {
	err = r.store.Update(ctx, func(tx core.Tx) error {
		if op, err = tx.Operations().Get(id); err != nil {
			return err
		}
		before := op.State
		if before.Ended() {
			return fault.New(fault.BadState, "the operation is %s already", before)
		}
		if err := f(tx, &op); err != nil {
			return err
		}
		return r.save(tx, &op, before)
	})
	return op, err
}

func (r *Runner) leftovers(tx core.Tx, op core.Operation) ([]string, error) {
	plan := r.plans[op.Kind]
	if plan.Leftovers == nil {
		return nil, nil
	}
	return plan.Leftovers(tx, op)
}
