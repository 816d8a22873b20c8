// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// maxRunning bounds how many operations run at once.
const maxRunning = 64

// Runner accepts operations and carries them out. It is safe for concurrent use once its plans are registered.
//
// A step whose Do returns a temporary fault puts its operation in state waiting; it is repeated after a while. Any other
// fault puts it in state reverting: the steps are undone in reverse, from the failed one on, then it is failed. What
// Undo returns is never final: it is repeated until it works, or somebody abandons the operation.
type Runner struct {
	// AfterStep, if set, is called after the commit of each step, done or undone: a pause point for crash tests.
	AfterStep func(op core.Operation, step string)

	store core.Store
	now   core.Clock
	newID core.NewID
	log   *slog.Logger
	plans map[string]Plan

	due    chan struct{} // there may be something to claim
	wakeUp atomic.Bool   // waiting operations are to be tried now

	mu      sync.Mutex
	running map[string]*claim // by operation
	ended   sync.WaitGroup
}

// NewRunner returns a runner without plans.
func NewRunner(store core.Store, now core.Clock, newID core.NewID, log *slog.Logger) *Runner {
	return &Runner{
		store: store, now: now, newID: newID, log: log, plans: map[string]Plan{},
		due: make(chan struct{}, 1), running: map[string]*claim{},
	}
}

// Register adds plans. All are registered before Run.
func (r *Runner) Register(plans ...Plan) {
	for _, p := range plans {
		r.plans[p.Kind] = p
	}
}

// Wake is called after a commit that accepted an operation, and when a provider attached: it makes waiting operations
// due now. However often it is called, they are tried at most once a second.
func (r *Runner) Wake() {
	r.wakeUp.Store(true)
	r.poke()
}

func (r *Runner) poke() {
	select {
	case r.due <- struct{}{}:
	default:
	}
}

// Run claims operations and carries them out until ctx ends; then the contexts of running steps end too, and it returns
// after these steps did. What an earlier runner of this store left is taken over at once: one core runs on a store.
func (r *Runner) Run(ctx context.Context) error {
	defer r.ended.Wait()
	if err := r.makeDue(ctx, true); err != nil {
		return err
	}
	tick := time.NewTicker(poll)
	defer tick.Stop()
	var woken time.Time
	for {
		if time.Since(woken) >= poll && r.wakeUp.Swap(false) {
			woken = time.Now()
			r.logFailure(ctx, "cannot wake waiting operations", r.makeDue(ctx, false))
		}
		r.logFailure(ctx, "cannot claim operations", r.claimDue(ctx))
		select {
		case <-ctx.Done():
			return nil
		case <-r.due:
		case <-tick.C:
		}
	}
}

func (r *Runner) logFailure(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		r.log.ErrorContext(ctx, what, "error", withCause(err))
	}
}

func (r *Runner) start(ctx context.Context, op core.Operation) {
	c := newClaim(ctx, r, op)
	r.mu.Lock()
	r.running[op.ID] = c
	r.mu.Unlock()
	r.ended.Go(func() {
		c.carryOut()
		r.mu.Lock()
		delete(r.running, op.ID)
		r.mu.Unlock()
		r.poke()
	})
}

// interrupt ends the context of the operation's running step, if this runner carries it out.
func (r *Runner) interrupt(id string, cause error) {
	r.mu.Lock()
	c := r.running[id]
	r.mu.Unlock()
	if c != nil {
		c.interrupt(cause)
	}
}

// withCause adds what a fault's text, which is for users, leaves out.
func withCause(err error) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Err != nil {
		return fmt.Errorf("%w: %w", err, f.Err)
	}
	return err
}

func (r *Runner) plan(kind string) (Plan, error) {
	p, ok := r.plans[kind]
	if !ok {
		return Plan{}, fault.New(fault.Bug, "this version has no plan for %s", kind)
	}
	return p, nil
}
