// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// errPaused ends a claim whose operation is recorded and goes on later.
var errPaused = errors.New("the operation goes on later")

// carryOut walks the plan until the operation ends, has to wait, or is lost.
func (c *claim) carryOut() {
	ctx, stop := context.WithCancel(context.WithoutCancel(c.ctx))
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		c.keep(ctx)
	}()
	c.logEnd(c.walk())
	stop()
	<-kept
	c.interrupt(nil)
}

func (c *claim) walk() error {
	if _, err := c.runner.plan(c.op.Kind); err != nil {
		return c.retry(err)
	}
	for !c.op.State.Ended() {
		if context.Cause(c.ctx) != nil {
			return c.release()
		}
		err := c.next()
		if err != nil && !errors.Is(err, errPaused) && !errors.Is(err, errLost) {
			// The store failed, or refused what the plan's Ended wanted: the same step again, later.
			err = c.retry(err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// next carries out, or undoes, the step that is next.
func (c *claim) next() error {
	reverting := c.op.State == core.OperationReverting
	if c.op.CancelRequested && !reverting && c.plan.undoable() {
		return c.revert(nil)
	}
	step := c.plan.Steps[c.op.Step]
	act, change := step.Do, advance
	if reverting {
		act, change = step.Undo, undone
	}
	err := c.call(act)
	switch {
	case err == nil:
		return c.step(step, change)
	case context.Cause(c.ctx) != nil:
		return c.release()
	case reverting, !c.plan.undoable(), temporary(err):
		return c.retry(err)
	}
	return c.revert(err)
}

// call runs one half of a step. A panic in it is that step's failure, not the core's.
func (c *claim) call(f func(context.Context, *Run) error) (err error) {
	index := c.op.Step
	defer func() {
		if p := recover(); p != nil {
			err = &fault.Error{
				Code: fault.Internal, Reason: fault.Bug, Message: "internal error",
				Err: fmt.Errorf("panic: %v\n%s", p, debug.Stack()),
			}
		}
	}()
	return f(c.ctx, &Run{
		Operation: c.op, Fence: c.op.Fence,
		Progress: func(detail string, percent int) { c.progress(index, detail, percent) },
	})
}

// step records that a step came to its end.
func (c *claim) step(s Step, change func(*core.Operation, Plan, time.Time)) error {
	err := c.record(func(op *core.Operation, now time.Time) { change(op, c.plan, now) })
	if err == nil && c.runner.AfterStep != nil {
		c.runner.AfterStep(c.op, s.Name)
	}
	return err
}

// revert records that the operation is to be undone: because of a failure, or (nil) because it is canceled.
func (c *claim) revert(failure error) error {
	if failure != nil {
		c.log(slog.LevelWarn, "operation failed, undoing it", failure)
	}
	return c.record(func(op *core.Operation, now time.Time) {
		if failure != nil {
			op.Error = problem(failure)
			op.Steps[op.Step].State, op.Steps[op.Step].Detail = core.StepFailed, op.Error.Detail
		}
		revert(op, c.plan, now)
	})
}

// retry gives the claim up until it is time to try the step again; or turns round, if a cancel was requested meanwhile.
func (c *claim) retry(cause error) error {
	var wait time.Duration
	err := c.record(func(op *core.Operation, now time.Time) {
		if wait = 0; op.CancelRequested && op.State == core.OperationRunning && c.plan.undoable() {
			revert(op, c.plan, now)
			return
		}
		wait = pause(op, cause, now)
	})
	if err != nil || wait == 0 {
		return err
	}
	c.log(slog.LevelInfo, "operation waits", cause)
	time.AfterFunc(wait, c.runner.poke)
	return errPaused
}

// release gives the claim up because its steps' context has ended: the operation goes on with a context of its own, at
// once if it was canceled, with the next runner if this one stops. If the claim is lost, nothing is written.
func (c *claim) release() error {
	err := c.amend(func(tx core.Tx, op *core.Operation) error {
		op.RunAt, op.LeaseUntil = c.runner.now(), time.Time{}
		return tx.Operations().Update(*op)
	})
	if err != nil {
		return err
	}
	return errPaused
}

func (c *claim) logEnd(err error) {
	switch {
	case err == nil:
		c.log(slog.LevelInfo, "operation "+string(c.op.State), nil)
	case errors.Is(err, errPaused), errors.Is(err, errLost):
		c.log(slog.LevelDebug, "operation given up for now", err)
	default:
		c.log(slog.LevelError, "operation cannot be recorded; it goes on when its lease has ended", err)
	}
}

func (c *claim) log(level slog.Level, message string, err error) {
	attrs := []slog.Attr{
		slog.String("operation", c.op.ID), slog.String("kind", c.op.Kind), slog.String("project", c.op.Project),
		slog.String(c.op.Resource.Kind, c.op.Resource.ID),
	}
	if c.op.Step < len(c.op.Steps) {
		attrs = append(attrs, slog.String("step", c.op.Steps[c.op.Step].Name))
	}
	if err != nil {
		attrs = append(attrs, slog.Any("error", withCause(err)))
	}
	c.runner.log.LogAttrs(c.ctx, level, message, attrs...)
}
