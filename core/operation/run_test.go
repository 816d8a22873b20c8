// SPDX-License-Identifier: Apache-2.0

package operation_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/operation"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func TestStepsRunInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		r := s.runner(s.plan(s.step("a", nil, nil), s.step("b", nil, nil)))
		var committed []string
		r.AfterStep = func(op core.Operation, step string) { committed = append(committed, step+" "+string(op.State)) }
		defer s.run(r)()
		op := s.accept(r, "1")
		s.settle()
		s.wantCalls("do a", "do b", "ended succeeded")
		if want := []string{"a running", "b succeeded"}; !slices.Equal(committed, want) {
			t.Errorf("AfterStep saw %q, want %q", committed, want)
		}
		got := s.wantState(op.ID, core.OperationSucceeded)
		if got.Percent != 100 || got.EndedAt == nil || !got.LeaseUntil.IsZero() || got.Fence == 0 {
			t.Errorf("ended operation %+v", got)
		}
		for _, step := range got.Steps {
			if step.State != core.StepDone || step.Attempts != 1 || step.StartedAt == nil || step.EndedAt == nil {
				t.Errorf("step %+v", step)
			}
		}
		wantEvents(t, s, op.ID, "operation.created pending", "operation.updated running", "operation.updated running", "operation.updated succeeded")
	})
}

func wantEvents(t *testing.T, s *system, id string, want ...string) {
	t.Helper()
	var got []string
	err := s.store.View(t.Context(), func(tx core.Tx) error {
		events, err := tx.Events(0, 1000)
		for _, e := range events {
			if e.Resource.Kind == "operation" && e.Resource.ID == id {
				got = append(got, e.Type+" "+e.Message)
			}
		}
		return err
	})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("events (%v)\n got %q\nwant %q", err, got, want)
	}
}

func TestAStepIsRecordedBeforeItBegins(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		var during core.Operation
		r := s.runner(s.plan(s.step("a", nil, nil), s.step("b", func(_ context.Context, r *operation.Run) error {
			during = s.stored(r.Operation.ID)
			return nil
		}, nil)))
		defer s.run(r)()
		s.accept(r, "1")
		s.settle()
		if during.State != core.OperationRunning || during.Steps[0].State != core.StepDone || during.Steps[1].State != core.StepRunning {
			t.Errorf("while b runs: %+v", during)
		}
	})
}

func TestTemporaryFaultWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		var at []time.Time
		var fences []uint64
		var due time.Time
		r := s.runner(s.plan(s.step("a", nil, nil), s.step("b", func(_ context.Context, r *operation.Run) error {
			if at, fences = append(at, time.Now()), append(fences, r.Fence); !due.IsZero() && !time.Now().Equal(due) {
				t.Errorf("attempt %d came %v after it was due", len(at), time.Since(due))
			}
			if len(at) < 9 {
				return errAway
			}
			return nil
		}, nil)))
		defer s.run(r)()
		op := s.accept(r, "1")
		s.settle()
		if got := s.wantState(op.ID, core.OperationWaiting); got.WaitingFor != errAway.Message || !got.LeaseUntil.IsZero() {
			t.Errorf("waiting operation %+v", got)
		}
		due = s.stored(op.ID).RunAt
		s.until(op.ID, func(op core.Operation) bool { return op.Attempt == 2 })
		due = time.Time{}
		got := s.ended(op.ID)
		if got.State != core.OperationSucceeded || got.WaitingFor != "" || got.Steps[1].Attempts != 9 || got.Steps[0].Attempts != 1 {
			t.Errorf("ended operation %+v", got)
		}
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
			want *= time.Second
			if d := at[i+1].Sub(at[i]); d < want/2 || d > want {
				t.Errorf("attempt %d came after %v, want %v to %v", i+2, d, want/2, want)
			}
		}
		if !slices.IsSorted(fences) || len(slices.Compact(fences)) != 9 {
			t.Errorf("fences %v are not fresh for each attempt", fences)
		}
	})
}

func TestEachStepIsGivenTimeAnew(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		r := s.runner(s.plan(s.step("a", failing(5, errAway), nil), s.step("b", failing(1, errAway), failing(1, errAway)), s.step("c", failing(-1, errBroken), nil)))
		var wait time.Duration
		defer s.run(r)()
		op := s.accept(r, "1")
		s.until(op.ID, func(op core.Operation) bool {
			if op.State == core.OperationWaiting && op.Step == 1 && op.Attempt == 1 {
				wait = time.Until(op.RunAt)
				return true
			}
			return false
		})
		if wait > time.Second {
			t.Errorf("the first retry of the second step comes after %v", wait)
		}
		s.ended(op.ID)
	})
}

func TestWakeMakesWaitingOperationsDue(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		away := true
		r := s.runner(s.plan(s.step("a", func(context.Context, *operation.Run) error {
			if away {
				return errAway
			}
			return nil
		}, nil)))
		defer s.run(r)()
		op := s.accept(r, "1")
		s.until(op.ID, func(op core.Operation) bool { return op.Attempt == 6 })
		away = false
		before := time.Now()
		r.Wake()
		s.ended(op.ID)
		if d := time.Since(before); d > 1100*time.Millisecond {
			t.Errorf("it took %v from the wake to the end", d)
		}
	})
}

func TestWakesAreNotARetryStorm(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		r := s.runner(s.plan(s.step("a", failing(-1, errAway), nil)))
		defer s.run(r)()
		s.accept(r, "1")
		for range 1000 { // ten seconds of requests
			r.Wake()
			time.Sleep(10 * time.Millisecond)
		}
		if n := len(s.noted()); n > 15 {
			t.Errorf("%d attempts in ten seconds of wakes", n)
		}
	})
}

func TestOtherFaultsAreUndone(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		noUndo := s.step("b", nil, nil)
		noUndo.Undo = nil
		r := s.runner(s.plan(s.step("a", nil, nil), noUndo, s.step("c", failing(-1, errBroken), nil), s.step("d", nil, nil)))
		defer s.run(r)()
		op := s.accept(r, "1")
		s.settle()
		s.wantCalls("do a", "do b", "do c", "undo c", "undo a", "ended failed")
		got := s.wantState(op.ID, core.OperationFailed)
		if got.Error == nil || got.Error.Code != string(fault.BackendRefused) || got.Error.Detail != errBroken.Message {
			t.Errorf("error %+v", got.Error)
		}
		want := []core.StepState{core.StepUndone, core.StepDone, core.StepUndone, core.StepPending}
		for i, step := range got.Steps {
			if step.State != want[i] {
				t.Errorf("step %s is %s, want %s", step.Name, step.State, want[i])
			}
		}
		wantEvents(t, s, op.ID, "operation.created pending", "operation.updated running", "operation.updated running",
			"operation.updated running", "operation.updated reverting", "operation.updated reverting", "operation.updated failed")
	})
}

func TestNothingToUndo(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		step := s.step("a", failing(-1, errBroken), nil)
		step.Undo = nil
		r := s.runner(s.plan(step))
		defer s.run(r)()
		op := s.accept(r, "1")
		s.settle()
		s.wantCalls("do a", "ended failed")
		if got := s.wantState(op.ID, core.OperationFailed); got.Error == nil || got.Steps[0].State != core.StepFailed {
			t.Errorf("failed operation %+v", got)
		}
	})
}

func TestUndoIsRepeatedForEver(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		r := s.runner(s.plan(s.step("a", nil, nil), s.step("b", failing(-1, errBroken), failing(20, errBroken))))
		defer s.run(r)()
		op := s.accept(r, "1")
		s.settle()
		if got := s.wantState(op.ID, core.OperationReverting); got.WaitingFor != errBroken.Message {
			t.Errorf("waiting for %q", got.WaitingFor)
		}
		got := s.ended(op.ID)
		if got.State != core.OperationFailed || got.WaitingFor != "" {
			t.Errorf("ended as %+v", got)
		}
		if n := len(s.noted()); n != 2+21+1+1 {
			t.Errorf("%d calls: %q", n, s.noted())
		}
	})
}

func TestForwardPlansNeverGiveUp(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		p := s.plan(s.step("a", failing(3, errBroken), nil), s.step("b", failing(3, errAway), nil))
		p.Forward = true
		r := s.runner(p)
		defer s.run(r)()
		op := s.accept(r, "1")
		s.settle()
		s.wantState(op.ID, core.OperationWaiting)
		_, err := r.Cancel(t.Context(), op.ID)
		wantReason(t, err, fault.BadState)
		if got := s.ended(op.ID); got.State != core.OperationSucceeded {
			t.Errorf("ended as %s", got.State)
		}
	})
}

func TestAPanicIsAFailureOfTheStep(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		r := s.runner(s.plan(s.step("a", func(context.Context, *operation.Run) error { panic("secret detail") }, nil)))
		defer s.run(r)()
		op := s.accept(r, "1")
		s.settle()
		s.wantCalls("do a", "undo a", "ended failed")
		if got := s.stored(op.ID); got.Error.Code != string(fault.Bug) || got.Error.Detail != "internal error" {
			t.Errorf("error %+v", got.Error)
		}
	})
}

// What Ended refuses is not lost: the last step is repeated until it agrees.
func TestEndedMayFail(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		p := s.plan(s.step("a", nil, nil))
		tries := 0
		p.Ended = func(tx core.Tx, op core.Operation) error {
			if tries++; tries < 3 {
				return errBroken
			}
			return tx.SetSetting("ended", op.ID)
		}
		r := s.runner(p)
		defer s.run(r)()
		op := s.accept(r, "1")
		if got := s.ended(op.ID); got.State != core.OperationSucceeded {
			t.Errorf("ended as %+v", got)
		}
		s.wantCalls("do a", "do a", "do a")
	})
}

func TestProgressIsThrottled(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		r := s.runner(s.plan(s.step("a", nil, nil), s.step("b", func(_ context.Context, r *operation.Run) error {
			for i := range 100 { // five seconds
				r.Progress("copying the image", i)
				time.Sleep(50 * time.Millisecond)
			}
			r.Progress("never shown", 999)
			return nil
		}, nil)))
		defer s.run(r)()
		op := s.accept(r, "1")
		s.settle()
		if got := s.stored(op.ID); got.Percent != 50 || got.Steps[1].Detail != "copying the image" {
			t.Errorf("after the first report: %d%% %q", got.Percent, got.Steps[1].Detail)
		}
		seen := map[int]bool{}
		for range 480 {
			time.Sleep(10 * time.Millisecond)
			s.settle()
			seen[s.stored(op.ID).Percent] = true
		}
		if len(seen) < 4 || len(seen) > 6 {
			t.Errorf("in five seconds the percent was %v", seen)
		}
		if got := s.ended(op.ID); got.Percent != 100 || got.Steps[1].Detail != "" {
			t.Errorf("ended with %d%% %q", got.Percent, got.Steps[1].Detail)
		}
	})
}

// A report that comes, or is written, after its step ended says nothing about the next one.
func TestLateReports(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		r := s.runner(s.plan(s.step("a", func(_ context.Context, r *operation.Run) error {
			r.Progress("first", 10)
			time.Sleep(100 * time.Millisecond)
			r.Progress("second, which waits for its turn", 90)
			return nil
		}, nil), s.step("b", func(context.Context, *operation.Run) error {
			time.Sleep(5 * time.Second)
			return nil
		}, nil)))
		defer s.run(r)()
		op := s.accept(r, "1")
		time.Sleep(4 * time.Second)
		s.settle()
		if got := s.stored(op.ID); got.Percent != 50 || got.Steps[0].Detail != "" || got.Steps[1].Detail != "" {
			t.Errorf("while b runs: %d%% %+v", got.Percent, got.Steps)
		}
	})
}

func TestOperationsRunConcurrentlyUpToABound(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		running, most := 0, 0
		r := s.runner(s.plan(s.step("a", func(context.Context, *operation.Run) error {
			s.mu.Lock()
			running++
			most = max(most, running)
			s.mu.Unlock()
			time.Sleep(time.Second)
			s.mu.Lock()
			running--
			s.mu.Unlock()
			return nil
		}, nil)))
		defer s.run(r)()
		var last core.Operation
		began := time.Now()
		for i := range 200 {
			last = s.accept(r, string(rune('A'+i)))
		}
		s.ended(last.ID)
		if most != 64 {
			t.Errorf("%d operations ran at once, want 64", most)
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("200 operations of a second took %v", d)
		}
	})
}

func TestAnUnknownKindWaitsAndCanBeAbandoned(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		op := s.accept(s.runner(s.plan(s.step("a", nil, nil))), "1")
		r := s.runner()
		defer s.run(r)()
		s.settle()
		if got := s.wantState(op.ID, core.OperationWaiting); got.WaitingFor == "" {
			t.Error("it does not say what it waits for")
		}
		if _, err := r.Abandon(t.Context(), op.ID); err != nil {
			t.Error(err)
		}
		s.wantState(op.ID, core.OperationAbandoned)
	})
}

// After an upgrade a plan may have other steps than the operation was accepted with.
func TestAnotherVersionsPlan(t *testing.T) {
	for name, c := range map[string]struct {
		broken bool
		want   []string
	}{
		"forwards":  {false, []string{"do a", "do x", "do b", "ended succeeded"}},
		"reverting": {true, []string{"undo b", "undo x", "undo a", "ended failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *system) {
				do, undo := failing(-1, errAway), failing(-1, errAway)
				if c.broken {
					do = failing(-1, errBroken)
				}
				old := s.runner(s.plan(s.step("a", nil, nil), s.step("old b", do, undo)))
				stop := s.run(old)
				op := s.accept(old, "1")
				s.settle()
				stop()
				s.mu.Lock()
				s.calls = nil
				s.mu.Unlock()
				r := s.runner(s.plan(s.step("a", nil, nil), s.step("x", nil, nil), s.step("b", nil, nil)))
				defer s.run(r)()
				s.ended(op.ID)
				s.wantCalls(c.want...)
			})
		})
	}
}
