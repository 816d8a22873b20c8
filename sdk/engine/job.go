// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"sync"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// stopWithin is how long a call waits for work that was told to stop: Cancel has to answer within a second.
const stopWithin = 800 * time.Millisecond

// job is one Apply, Delete or RevertSnapshot that runs.
type job[O any] struct {
	tag       provider.Tag // what it makes; the tag of what it deletes
	deleting  bool
	operation string // that a RevertSnapshot is for; "" for others
	before    O      // what was there when it began
	cancel    context.CancelCauseFunc
	done      chan struct{}

	// Set before done is closed.
	result O
	err    error

	mu      sync.Mutex
	step    string
	percent int
}

// report is the author's progress callback, less noise: it says whether anything changed. Percent never falls.
func (j *job[O]) report(step string, percent int) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	percent = max(j.percent, min(percent, 100))
	changed := step != j.step || percent != j.percent
	j.step, j.percent = step, percent
	return changed
}

// stop tells the job to stop and reports whether it ended in time.
func (j *job[O]) stop(ctx context.Context, why error) bool {
	j.cancel(why)
	t := time.NewTimer(stopWithin)
	defer t.Stop()
	select {
	case <-j.done:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}

// canceled says of an error whether it is the consequence of having been told to stop.
func canceled(ctx context.Context, err error) error {
	why := context.Cause(ctx)
	if err == nil || why == nil {
		return err
	}
	return &fault.Error{Code: fault.Canceled, Reason: fault.RequestCanceled, Message: why.Error(), Err: err}
}

// overlay shows the job on what is observed of its object.
func (j *job[O]) overlay(o *provider.Observed) {
	j.mu.Lock()
	defer j.mu.Unlock()
	handle := o.BackendHandle
	o.Tag, o.BackendHandle = j.tag, handle
	o.Phase, o.Step, o.Percent, o.Failure = provider.PhaseProgressing, j.step, j.percent, nil
	if j.deleting {
		o.Phase = provider.PhaseDeleting
	}
}

// attempt is an Apply or Delete that failed. It is kept until the next one for the same object.
type attempt struct {
	tag      provider.Tag
	deleting bool
	failure  *fault.Error
}

func (a *attempt) overlay(o *provider.Observed) {
	if !a.deleting {
		handle := o.BackendHandle
		o.Tag, o.BackendHandle = a.tag, handle
	}
	o.Phase, o.Step, o.Percent, o.Failure = provider.PhaseFailed, "", 0, a.failure
}
