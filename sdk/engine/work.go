// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Why work is told to stop.
var (
	errCanceled   = errors.New("canceled")
	errSuperseded = errors.New("a newer command took its place")
	errDrained    = errors.New("the provider was drained, and time ran out")
	errClosed     = errors.New("the provider ends")
)

// work counts what runs, so that it can be drained and ended.
type work struct {
	life    context.Context // ends with the engine
	stopAll context.CancelCauseFunc
	jobs    context.Context // of what outlives the call that began it
	endJobs context.CancelCauseFunc
	all     sync.WaitGroup
	drained chan struct{} // closed when draining and nothing runs

	mu       sync.Mutex
	running  int
	draining bool
	stopped  bool
}

func (w *work) start() {
	w.life, w.stopAll = context.WithCancelCause(context.Background())
	w.jobs, w.endJobs = context.WithCancelCause(w.life)
	w.drained = make(chan struct{})
}

// begin admits a piece of work. The caller must call ended when its outcome is known, and then left.
func (w *work) begin() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.draining || w.stopped {
		return fault.New(fault.Draining, "the provider finishes its work and accepts nothing new")
	}
	w.running++
	w.all.Add(1)
	return nil
}

// ended takes a piece of work from those that run.
func (w *work) ended() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	if w.draining && w.running == 0 {
		close(w.drained)
	}
}

// left says that the last goroutine of a piece of work, or of a watch, returns.
func (w *work) left() { w.all.Done() }

// attend admits a watch, which is neither work nor refused while the provider drains. The caller must call left.
func (w *work) attend() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return errEnding
	}
	w.all.Add(1)
	return nil
}

var errEnding = fault.New(fault.Draining, "the provider ends")

// drain refuses new work from now on. It reports whether it is the first to ask, and how much runs.
func (w *work) drain() (first bool, running int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	first = !w.draining
	w.draining = true
	if first && w.running == 0 {
		close(w.drained)
	}
	return first, w.running
}

// state reports whether the provider drains, and whether nothing runs any more.
func (w *work) state() (draining, drained bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.draining, w.draining && w.running == 0
}

// stop ends everything.
func (w *work) stop() {
	w.mu.Lock()
	w.stopped = true
	w.mu.Unlock()
	w.stopAll(errClosed)
}

// cancelAfter cancels what still runs when the time for draining is over.
func (w *work) cancelAfter(timeout time.Duration) {
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case <-t.C:
		w.endJobs(errDrained)
	case <-w.drained:
	case <-w.life.Done():
	}
}
