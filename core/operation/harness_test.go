// SPDX-License-Identifier: Apache-2.0

package operation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/operation"
	"github.com/rhyzome/rhyzome/core/store"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func clock() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// system is a store and what happened to it. It lives in a synctest bubble: time passes when everything waits.
type system struct {
	t     *testing.T
	store *store.Store
	log   *slog.Logger
	newID core.NewID

	mu    sync.Mutex
	calls []string // of steps, in order: "do a", "undo b", "ended failed"
}

// emptyStore is the file of a migrated, empty store.
var emptyStore []byte

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "operation")
	if err != nil {
		panic(err)
	}
	path := filepath.Join(dir, "rhyzome.db")
	s, err := store.Open(context.Background(), path, clock, slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err)
	}
	err = s.Close()
	if err == nil {
		emptyStore, err = os.ReadFile(path)
	}
	if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// inBubble runs f with a fresh system, and closes it.
func inBubble(t *testing.T, f func(t *testing.T, s *system)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rhyzome.db")
	if err := os.WriteFile(path, emptyStore, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
		st, err := store.Open(t.Context(), path, clock, log)
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		var mu sync.Mutex
		ids := 0
		f(t, &system{t: t, store: st, log: log, newID: func() string {
			mu.Lock()
			defer mu.Unlock()
			ids++
			return fmt.Sprintf("00000000-0000-7000-8000-%012d", ids)
		}})
	})
}

func (s *system) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
}

func (s *system) noted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// wantCalls compares everything that was noted since the last time.
func (s *system) wantCalls(want ...string) {
	s.t.Helper()
	if got := s.noted(); !slices.Equal(got, want) {
		s.t.Errorf("calls\n got %q\nwant %q", got, want)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

// step notes its calls; do and undo say what happens, nil for success.
func (s *system) step(name string, do, undo func(context.Context, *operation.Run) error) operation.Step {
	noted := func(what string, f func(context.Context, *operation.Run) error) func(context.Context, *operation.Run) error {
		return func(ctx context.Context, r *operation.Run) error {
			s.note("%s %s", what, name)
			if f == nil {
				return nil
			}
			return f(ctx, r)
		}
	}
	return operation.Step{Name: name, Do: noted("do", do), Undo: noted("undo", undo)}
}

// interruptible notes when the step's context ended.
func (s *system) interruptible(step operation.Step) operation.Step {
	noted := func(f func(context.Context, *operation.Run) error) func(context.Context, *operation.Run) error {
		return func(ctx context.Context, r *operation.Run) error {
			err := f(ctx, r)
			if ctx.Err() != nil {
				s.note("%s was interrupted", step.Name)
			}
			return err
		}
	}
	return operation.Step{Name: step.Name, Do: noted(step.Do), Undo: noted(step.Undo)}
}

// plan is a plan of kind thing.create that notes its end.
func (s *system) plan(steps ...operation.Step) operation.Plan {
	return operation.Plan{Kind: "thing.create", Steps: steps, Ended: func(_ core.Tx, op core.Operation) error {
		s.note("ended %s", op.State)
		return nil
	}}
}

func (s *system) runner(plans ...operation.Plan) *operation.Runner {
	return s.runnerOn(s.store, plans...)
}

func (s *system) runnerOn(st core.Store, plans ...operation.Plan) *operation.Runner {
	r := operation.NewRunner(st, clock, s.newID, s.log)
	r.Register(plans...)
	return r
}

// run starts the runner; the returned function stops it and waits for its end.
func (s *system) run(r *operation.Runner) (stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return func() {
		s.t.Helper()
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("Run: %v", err)
		}
	}
}

func (s *system) accept(r *operation.Runner, resource string) core.Operation {
	s.t.Helper()
	op, err := s.tryAccept(r, operation.Request{Kind: "thing.create", Resource: thing(resource)})
	if err != nil {
		s.t.Fatal(err)
	}
	return op
}

// tryAccept accepts while nothing moves: a runner that claims between the commit and the wake would be woken for a
// second attempt.
func (s *system) tryAccept(r *operation.Runner, req operation.Request) (op core.Operation, err error) {
	s.settle()
	err = s.store.Update(s.t.Context(), func(tx core.Tx) error {
		op, err = r.Accept(tx, req)
		return err
	})
	r.Wake()
	return op, err
}

func thing(id string) core.ResourceRef {
	return core.ResourceRef{Kind: "thing", ID: id, Name: "t-" + id}
}

// stored reads an operation as it is kept.
func (s *system) stored(id string) (op core.Operation) {
	s.t.Helper()
	err := s.store.View(s.t.Context(), func(tx core.Tx) (err error) {
		op, err = tx.Operations().Get(id)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return op
}

// settle lets everything run until all of it waits, without time passing.
func (s *system) settle() { synctest.Wait() }

// ended lets time pass until the operation has ended, at most ten minutes.
func (s *system) ended(id string) core.Operation {
	s.t.Helper()
	return s.until(id, func(op core.Operation) bool { return op.State.Ended() })
}

func (s *system) until(id string, is func(core.Operation) bool) core.Operation {
	s.t.Helper()
	for range 6000 {
		s.settle()
		if op := s.stored(id); is(op) {
			return op
		}
		time.Sleep(100 * time.Millisecond) // in the bubble: no real time passes
	}
	s.t.Fatalf("the operation is still %+v", s.stored(id))
	return core.Operation{}
}

func (s *system) wantState(id string, want core.OperationState) core.Operation {
	s.t.Helper()
	op := s.stored(id)
	if op.State != want {
		s.t.Errorf("state %s, want %s; waiting for %q", op.State, want, op.WaitingFor)
	}
	return op
}

func wantReason(t *testing.T, err error, want fault.Reason) {
	t.Helper()
	if got := fault.ReasonOf(err); got != want {
		t.Errorf("reason %q (%v), want %q", got, err, want)
	}
}

// failing returns what fails n times with err, then succeeds; n < 0 for always.
func failing(n int, err error) func(context.Context, *operation.Run) error {
	return func(context.Context, *operation.Run) error {
		if n == 0 {
			return nil
		}
		n--
		return err
	}
}

// blocking returns what waits for its context to end.
func blocking(ctx context.Context, _ *operation.Run) error {
	<-ctx.Done()
	return ctx.Err()
}

var (
	errAway   = fault.New(fault.ProviderAway, "provider p is not attached")
	errBroken = fault.New(fault.BackendRefused, "no such bridge")
	errDead   = errors.New("the process is dead")
)
