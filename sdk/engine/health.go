// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// checkTimeout is how long the backend may take to show that it is there.
const checkTimeout = 10 * time.Second

// health sends the provider's own condition whenever it changes.
func (w *watch) health(ctx context.Context) error {
	ticker := time.NewTicker(w.e.options.PollInterval)
	defer ticker.Stop()
	var last wire.Status
	var c checker
	for {
		now := w.e.condition(c.check(ctx, w.e))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if now != last {
			last = now
			if err := w.send(wire.EventToProto(wire.Event{Status: &now})); err != nil {
				return err
			}
			w.mu.Lock()
			w.drained = now.State == wire.StateDrained
			w.mu.Unlock()
		}
		select {
		case <-ticker.C:
		case <-w.recheck:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (e *Engine) condition(checked error) wire.Status {
	switch draining, drained := e.work.state(); {
	case drained:
		return wire.Status{State: wire.StateDrained}
	case draining:
		return wire.Status{State: wire.StateDraining}
	case checked != nil:
		return wire.Status{State: wire.StateDegraded, Message: fault.Of(checked).Message}
	}
	return wire.Status{State: wire.StateReady}
}

// checker calls the author's Check, and does not wait for one that ignores its context: it is degraded until it answers.
type checker struct {
	pending chan error
}

func (c *checker) check(ctx context.Context, e *Engine) error {
	if c.pending == nil {
		pending := make(chan error, 1)
		c.pending = pending
		go func() {
			_, err := read(ctx, e, "check", checkTimeout, func(ctx context.Context) (struct{}, error) {
				return struct{}{}, e.author.Check(ctx)
			})
			pending <- err
		}()
	}
	t := time.NewTimer(checkTimeout)
	defer t.Stop()
	select {
	case err := <-c.pending:
		c.pending = nil
		return err
	case <-t.C:
		return fault.New(fault.BackendDown, "the backend has not answered for %s", checkTimeout)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// listen passes the author's events on, and asks for them again when their source was lost.
func (w *watch) listen(ctx context.Context) error {
	for ctx.Err() == nil {
		w.relistAll.Store(true)
		_, err := protect(w.e, "watch", func() (struct{}, error) { return struct{}{}, w.e.watcher.Watch(ctx, w.changed) })
		if ctx.Err() != nil {
			break
		}
		w.e.log.Warn("the backend's events were lost", "error", err)
		t := time.NewTimer(w.e.options.PollInterval)
		again := wait(ctx, t.C)
		t.Stop()
		if !again {
			break
		}
	}
	return ctx.Err()
}
