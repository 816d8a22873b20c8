// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rhyzome/rhyzome/core"
)

// Why the context of a claim's steps ends, besides the end of Run.
var (
	errLost     = errors.New("the operation was claimed anew, or has ended")
	errCanceled = errors.New("the operation is canceled")
)

// claim is one run of an operation by this runner, from taking it to its end, or until it has to wait.
type claim struct {
	runner *Runner
	plan   Plan
	id     string
	fence  uint64
	op     core.Operation // as last recorded; only carryOut's goroutine may read and write it

	ctx       context.Context // of the steps
	interrupt context.CancelCauseFunc

	reports chan struct{} // there is a report to write
	mu      sync.Mutex
	report  *report
}

// report is the newest progress of a step.
type report struct {
	step    int
	detail  string
	percent int
}

func newClaim(ctx context.Context, r *Runner, op core.Operation) *claim {
	c := &claim{
		runner: r, plan: r.plans[op.Kind], id: op.ID, fence: op.Fence, op: op, reports: make(chan struct{}, 1),
	}
	c.ctx, c.interrupt = context.WithCancelCause(ctx)
	return c
}

// amend changes the stored operation, unless the claim is lost: errLost. It reads before it writes, so that it keeps
// what others changed in between (a cancel request).
func (c *claim) amend(change func(tx core.Tx, op *core.Operation) error) error {
	// What was done is recorded even while everything stops.
	ctx := context.WithoutCancel(c.ctx)
	return c.runner.store.Update(ctx, func(tx core.Tx) error {
		op, err := tx.Operations().Get(c.id)
		if err != nil {
			return err
		}
		if op.Fence != c.fence || op.State.Ended() {
			return errLost
		}
		return change(tx, &op)
	})
}

// record changes the operation as far as the state machine goes, with its event.
func (c *claim) record(change func(op *core.Operation, now time.Time)) error {
	var after core.Operation
	err := c.amend(func(tx core.Tx, op *core.Operation) error {
		before := op.State
		change(op, c.runner.now())
		err := c.runner.save(tx, op, before)
		after = *op
		return err
	})
	if err == nil {
		c.op = after
	}
	return err
}

// keep renews the lease and writes reports, until ctx ends.
func (c *claim) keep(ctx context.Context) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	reports := c.reports
	var pause <-chan time.Time
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			err = c.renew()
		case <-pause:
			reports, pause = c.reports, nil
		case <-reports:
			reports, pause = nil, time.After(reporting)
			err = c.writeReport()
		}
		if errors.Is(err, errLost) {
			c.interrupt(errLost)
			return
		}
		c.runner.logFailure(ctx, "cannot renew an operation's lease", err)
	}
}

func (c *claim) renew() error {
	canceled := false // by another core
	err := c.amend(func(tx core.Tx, op *core.Operation) error {
		canceled = op.CancelRequested && op.State == core.OperationRunning
		op.LeaseUntil = c.runner.now().Add(lease)
		return tx.Operations().Update(*op)
	})
	if err == nil && canceled {
		c.interrupt(errCanceled)
	}
	return err
}

// progress takes a report of a step. It never blocks: only the newest is written.
func (c *claim) progress(step int, detail string, percent int) {
	c.mu.Lock()
	c.report = &report{step: step, detail: detail, percent: min(max(percent, 0), 100)}
	c.mu.Unlock()
	select {
	case c.reports <- struct{}{}:
	default:
	}
}

func (c *claim) writeReport() error {
	c.mu.Lock()
	report := c.report
	c.mu.Unlock()
	return c.amend(func(tx core.Tx, op *core.Operation) error {
		if op.Step != report.step || op.State == core.OperationWaiting {
			return nil // the step ended meanwhile
		}
		op.UpdatedAt = c.runner.now()
		op.Steps[op.Step].Detail = report.detail
		if op.State == core.OperationRunning {
			op.Percent = (op.Step*100 + report.percent) / len(op.Steps)
		}
		return tx.Operations().Update(*op)
	})
}
