// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// TestQueueBatches lets changes wait behind one that runs: what can go together does, the rest goes alone.
func TestQueueBatches(t *testing.T) {
	q := newQueue()
	bad := errors.New("bad")
	changes := []*change{{batch: "a"}, {batch: "a"}, {batch: "b"}, {}, {}, {batch: "a"}}
	worst := changes[5]
	var sizes []int
	run := func(_ context.Context, all []*change) error {
		sizes = append(sizes, len(all)) // one at a time, or the race detector says so
		if slices.Contains(all, worst) {
			return bad
		}
		return nil
	}
	running, finish := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		err := q.do(t.Context(), &change{}, func(context.Context, []*change) error {
			close(running)
			<-finish
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-running
	for _, c := range changes {
		all.Go(func() {
			if err := q.do(t.Context(), c, run); err != nil && c != worst || err == nil && c == worst {
				t.Errorf("%+v: %v", c, err)
			}
		})
	}
	waitFor(t, func() bool { q.mu.Lock(); defer q.mu.Unlock(); return len(q.waiting) == len(changes) })
	close(finish)
	all.Wait()
	slices.Sort(sizes)
	if want := []int{1, 1, 1, 1, 1, 1, 3}; !slices.Equal(sizes, want) { // three as one, which fails; then each alone
		t.Errorf("sizes %v, want %v", sizes, want)
	}
}

func TestQueueGivesUpWaiting(t *testing.T) {
	q := newQueue()
	q.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- q.do(ctx, &change{}, nil) }()
	waitFor(t, func() bool { q.mu.Lock(); defer q.mu.Unlock(); return len(q.waiting) == 1 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || len(q.waiting) != 0 {
		t.Errorf("%v, %d wait", err, len(q.waiting))
	}
}

// TestQueueSurvivesAPanic lets nobody wait for ever.
func TestQueueSurvivesAPanic(t *testing.T) {
	q := newQueue()
	func() {
		defer func() { _ = recover() }()
		t.Error(q.do(t.Context(), &change{}, func(context.Context, []*change) error { panic("no") }))
	}()
	e := &entry{done: make(chan struct{})}
	func() {
		defer func() { _ = recover() }()
		runAll([]*entry{e}, func(context.Context, []*change) error { panic("no") })
	}()
	if <-e.done; fault.ReasonOf(e.err) != fault.Panic {
		t.Errorf("%v", e.err)
	}
	if err := q.do(t.Context(), &change{}, func(context.Context, []*change) error { return nil }); err != nil {
		t.Error(err)
	}
}

// waitFor polls a condition that others bring about.
func waitFor(t *testing.T, met func() bool) {
	t.Helper()
	err := await(t.Context(), upTimeout, func(context.Context) error {
		if met() {
			return nil
		}
		return errors.New("it never came true")
	})
	if err != nil {
		t.Fatal(err)
	}
}
