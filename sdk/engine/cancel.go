// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// defaultDrain is how long running work may take to end, if Drain does not say.
const defaultDrain = time.Hour

// Cancel stops the work that runs for one object. It does not wait for whatever else is decided about the object: it
// must answer within a second.
func (e *Engine) Cancel(ctx context.Context, kind provider.Kind, id string, fence uint64) (wire.Outcome, error) {
	if err := e.accepts(); err != nil {
		return "", err
	}
	if err := fault.Join(validateID(id)...); err != nil {
		return "", err
	}
	for _, s := range e.sources {
		if s.kind != kind || s.stop == nil {
			continue
		}
		if err := e.fences.admit(id, fence); err != nil {
			return "", err
		}
		return s.stop(ctx, id), nil
	}
	return wire.NothingRunning, nil
}

// startDrain refuses new work from now on, and returns how much runs.
func (e *Engine) startDrain() int {
	first, running := e.work.drain()
	if first {
		e.watches.recheck()
		e.attended(func() {
			select {
			case <-e.work.drained:
				e.watches.recheck()
			case <-e.work.life.Done():
			}
		})
	}
	return running
}

// limitDrain cancels what still runs after timeout.
func (e *Engine) limitDrain(timeout time.Duration) {
	if timeout <= 0 {
		timeout = defaultDrain
	}
	e.attended(func() { e.work.cancelAfter(timeout) })
}

// attended runs f in the background, unless the engine ends.
func (e *Engine) attended(f func()) {
	if e.work.attend() != nil {
		return
	}
	go func() {
		defer e.work.left()
		f()
	}()
}
