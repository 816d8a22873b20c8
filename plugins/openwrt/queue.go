// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"slices"
	"sync"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// queue lines changes up: one transaction at a time. Whoever has the turn also does the changes that wait and can go
// with his, so that a burst of them costs one reload.
type queue struct {
	turn chan struct{} // holds a token while somebody has the turn

	mu      sync.Mutex
	waiting []*entry
}

type entry struct {
	ctx    context.Context
	change *change
	once   sync.Once
	done   chan struct{}
	err    error
}

func (e *entry) finish(err error) {
	e.once.Do(func() {
		e.err = err
		close(e.done)
	})
}

func newQueue() *queue { return &queue{turn: make(chan struct{}, 1)} }

// do has a change done: by run, or by another caller's run. While it waits for its turn, ctx can end it.
func (q *queue) do(ctx context.Context, c *change, run func(context.Context, []*change) error) error {
	e := &entry{ctx: ctx, change: c, done: make(chan struct{})}
	q.add(e)
	select {
	case <-e.done:
		return e.err
	case <-ctx.Done():
		if q.remove(e) {
			return ctx.Err()
		}
		<-e.done
		return e.err
	case q.turn <- struct{}{}:
		defer func() { <-q.turn }()
	}
	if taken := q.take(e); len(taken) > 0 {
		runAll(taken, run)
	}
	<-e.done
	return e.err
}

// runAll does the changes as one. If that fails, each is done alone, so that one bad change fails nobody else's.
func runAll(all []*entry, run func(context.Context, []*change) error) {
	defer func() { // only if run panics is there one left
		for _, e := range all {
			e.finish(fault.New(fault.Panic, "the change was broken off"))
		}
	}()
	if len(all) > 1 {
		changes := make([]*change, 0, len(all))
		for _, e := range all {
			changes = append(changes, e.change)
		}
		if run(context.WithoutCancel(all[0].ctx), changes) == nil {
			for _, e := range all {
				e.finish(nil)
			}
			return
		}
	}
	for _, e := range all {
		e.finish(run(e.ctx, []*change{e.change}))
	}
}

func (q *queue) add(e *entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, e)
}

// remove takes e back; false if somebody has begun with it.
func (q *queue) remove(e *entry) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, e)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// take returns e and what can go with it; nothing if e has been done.
func (q *queue) take(e *entry) []*entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !slices.Contains(q.waiting, e) {
		return nil
	}
	var taken, left []*entry
	for _, w := range q.waiting {
		if w == e || e.change.batch != "" && e.change.batch == w.change.batch {
			taken = append(taken, w)
		} else {
			left = append(left, w)
		}
	}
	q.waiting = left
	return taken
}
