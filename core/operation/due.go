// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"time"

	"github.com/rhyzome/rhyzome/core"
)

// makeDue makes every operation that waits for its time due now; takeOver ends the leases of a runner that is gone.
func (r *Runner) makeDue(ctx context.Context, takeOver bool) error {
	now := r.now()
	early := func(op core.Operation) bool {
		if op.LeaseUntil.After(now) {
			return takeOver
		}
		return op.RunAt.After(now)
	}
	var ids []string
	err := r.store.View(ctx, func(tx core.Tx) error {
		open, err := core.All(tx.Operations(), core.Query{Open: true}, func(o core.Operation) string { return o.ID })
		for _, op := range open {
			if early(op) {
				ids = append(ids, op.ID)
			}
		}
		return err
	})
	if err != nil || len(ids) == 0 {
		return err
	}
	return r.store.Update(ctx, func(tx core.Tx) error {
		for _, id := range ids {
			op, err := tx.Operations().Get(id)
			if err != nil {
				return err
			}
			if op.State.Ended() || !early(op) { // it moved on meanwhile
				continue
			}
			op.RunAt, op.LeaseUntil = now, time.Time{}
			if err := tx.Operations().Update(op); err != nil {
				return err
			}
		}
		return nil
	})
}

// claimDue claims what is due, as far as there is room, and starts to carry it out.
func (r *Runner) claimDue(ctx context.Context) error {
	busy := r.busy()
	room := maxRunning - len(busy)
	if room <= 0 {
		return nil
	}
	var claimed []core.Operation
	err := r.store.Update(ctx, func(tx core.Tx) error {
		claimed = nil
		now := r.now()
		q := core.Query{Open: true, DueBy: now, Page: core.Page{Limit: room + len(busy)}}
		due, err := tx.Operations().Find(q)
		if err != nil {
			return err
		}
		for _, op := range due {
			// What this process carries out is its own, whatever a clock that was set says of the lease.
			if busy[op.ID] || len(claimed) == room {
				continue
			}
			if err := r.take(tx, &op, now); err != nil {
				return err
			}
			claimed = append(claimed, op)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, op := range claimed {
		r.start(ctx, op)
	}
	return nil
}

// take draws a fence for op and records that its step begins.
func (r *Runner) take(tx core.Tx, op *core.Operation, now time.Time) error {
	fence, err := tx.NextFence()
	if err != nil {
		return err
	}
	before := op.State
	op.Fence, op.LeaseUntil = fence, now.Add(lease)
	if plan, ok := r.plans[op.Kind]; ok {
		realign(op, plan, now)
	}
	if op.State == core.OperationPending || op.State == core.OperationWaiting {
		op.State, op.WaitingFor = core.OperationRunning, ""
	}
	if op.State == core.OperationRunning {
		begin(op, now)
	}
	return r.save(tx, op, before)
}

func (r *Runner) busy() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make(map[string]bool, len(r.running))
	for id := range r.running {
		ids[id] = true
	}
	return ids
}
