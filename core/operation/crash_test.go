// SPDX-License-Identifier: Apache-2.0

package operation_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/operation"
)

// process is the store as one process has it, until that dies.
type process struct {
	core.Store
	dead atomic.Bool
}

func (p *process) Update(ctx context.Context, f func(core.Tx) error) error {
	if p.dead.Load() {
		return errDead
	}
	return p.Store.Update(ctx, f)
}

// A process dies at each write it would make: the next one ends the operation, every step ran, in order, and none more
// than once too often. No clean-up, no pause in between.
func TestDeathAtEveryWrite(t *testing.T) {
	for name, c := range map[string]struct {
		last  error
		steps []string
		end   string
	}{
		"succeeding": {nil, []string{"do a", "do b", "do c"}, "ended succeeded"},
		"failing":    {errBroken, []string{"do a", "do b", "do c", "undo c", "undo b", "undo a"}, "ended failed"},
	} {
		for write := range 12 {
			t.Run(fmt.Sprintf("%s, write %d", name, write), func(t *testing.T) {
				inBubble(t, func(t *testing.T, s *system) {
					plan := s.plan(s.step("a", nil, nil), s.step("b", nil, nil), s.step("c", func(context.Context, *operation.Run) error { return c.last }, nil))
					p := &process{Store: s.store}
					dying := s.runnerOn(newCountdown(p, write), plan)
					ctx, kill := context.WithCancel(t.Context())
					done := make(chan error, 1)
					op := s.accept(dying, "1")
					go func() { done <- dying.Run(ctx) }()
					s.settle()
					kill()
					<-done
					defer s.run(s.runner(plan))()
					s.settle()
					if got := s.stored(op.ID); !got.State.Ended() {
						t.Errorf("the operation is %s", got.State)
					}
					wantRepeatedAtMostOnce(t, s.noted(), append(c.steps, c.end))
				})
			})
		}
	}
}

// countdown is a process that dies before a write.
type countdown struct {
	*process
	left atomic.Int64
}

func newCountdown(p *process, writes int) *countdown {
	c := &countdown{process: p}
	c.left.Store(int64(writes))
	return c
}

func (c *countdown) Update(ctx context.Context, f func(core.Tx) error) error {
	if c.left.Add(-1) < 0 {
		c.dead.Store(true)
	}
	return c.process.Update(ctx, f)
}

func wantRepeatedAtMostOnce(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) > len(want)+1 {
		t.Errorf("calls %q, want %q with at most one of them twice", got, want)
	}
	if !slices.Equal(slices.Compact(slices.Clone(got)), want) {
		t.Errorf("calls %q, want %q", got, want)
	}
}

// A runner that was taken for dead, and was only stalled, finds out at its next write, whatever its step says.
func TestAStalledRunnerCannotWrite(t *testing.T) {
	for name, outcome := range map[string]error{"it succeeded": nil, "it waits": errAway, "it failed": errBroken} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *system) {
				goOn := make(chan struct{})
				var fences []uint64
				stalled := s.runner(s.plan(s.step("a", func(_ context.Context, r *operation.Run) error {
					fences = append(fences, r.Fence)
					<-goOn
					r.Progress("late", 50)
					return outcome
				}, nil), s.step("b", nil, nil)))
				stopStalled := s.run(stalled)
				op := s.accept(stalled, "1")
				s.settle()

				next := s.runner(s.plan(s.step("a", func(ctx context.Context, r *operation.Run) error {
					fences = append(fences, r.Fence)
					return blocking(ctx, r)
				}, nil), s.step("b", nil, nil)))
				stopNext := s.run(next)
				s.settle()
				before := s.stored(op.ID)
				close(goOn)
				s.settle()
				s.wantCalls("do a", "do a")
				if after := s.stored(op.ID); fmt.Sprint(after) != fmt.Sprint(before) {
					t.Errorf("the stalled runner wrote\n%+v over\n%+v", after, before)
				}
				if len(fences) != 2 || fences[1] <= fences[0] {
					t.Errorf("fences %v do not rise", fences)
				}
				stopNext()
				stopStalled()
			})
		})
	}
}

// A step that a stalled runner carries out is told to stop at the next heartbeat.
func TestAStalledRunnersStepIsInterrupted(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		var interrupted atomic.Int64
		steps := s.step("a", func(ctx context.Context, _ *operation.Run) error {
			<-ctx.Done()
			interrupted.Add(1)
			return ctx.Err()
		}, nil)
		stalled := s.runner(s.plan(steps))
		defer s.run(stalled)()
		s.accept(stalled, "1")
		s.settle()
		defer s.run(s.runner(s.plan(steps)))()
		time.Sleep(11 * time.Second)
		s.settle()
		if n := interrupted.Load(); n != 1 {
			t.Errorf("%d steps were interrupted, want 1", n)
		}
	})
}

// Two cores on one store: a lease is kept by its heartbeats, and taken over when they stop.
func TestLease(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		p := &process{Store: s.store}
		long := s.plan(s.step("a", func(ctx context.Context, _ *operation.Run) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(5 * time.Minute):
				return nil
			}
		}, nil))
		first := s.runnerOn(p, long)
		ctx, kill := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- first.Run(ctx) }()
		s.settle()
		other := s.runner(long)
		defer s.run(other)()
		s.settle()
		op := s.accept(first, "1")
		s.settle()
		other.Wake() // takes nothing that is leased
		time.Sleep(2 * time.Minute)
		s.settle()
		s.wantCalls("do a")
		p.dead.Store(true)
		kill()
		<-done
		died := time.Now()
		s.until(op.ID, func(op core.Operation) bool { return len(s.noted()) == 1 })
		if d := time.Since(died); d > 32*time.Second {
			t.Errorf("it was taken over after %v", d)
		}
		if got := s.ended(op.ID); got.State != core.OperationSucceeded {
			t.Errorf("ended as %s", got.State)
		}
	})
}

// A stop is not a failure: the step is repeated by the next run, at once, and nothing waits.
func TestStopAndStart(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		first := true
		plan := s.plan(s.step("a", nil, nil), s.step("b", func(ctx context.Context, r *operation.Run) error {
			if first {
				first = false
				return blocking(ctx, r)
			}
			return nil
		}, nil))
		r := s.runner(plan)
		stop := s.run(r)
		op := s.accept(r, "1")
		s.settle()
		stop()
		got := s.wantState(op.ID, core.OperationRunning)
		if !got.LeaseUntil.IsZero() || got.Attempt != 0 {
			t.Errorf("after the stop: %+v", got)
		}
		defer s.run(s.runner(plan))()
		s.settle()
		s.wantCalls("do a", "do b", "do b", "ended succeeded")
	})
}

// What a step achieved while everything stops is recorded.
func TestAStepThatEndsWhileItStops(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		plan := s.plan(s.step("a", func(ctx context.Context, _ *operation.Run) error {
			<-ctx.Done()
			return nil
		}, nil), s.step("b", nil, nil))
		r := s.runner(plan)
		stop := s.run(r)
		op := s.accept(r, "1")
		s.settle()
		stop()
		if got := s.stored(op.ID); got.Steps[0].State != core.StepDone {
			t.Errorf("after the stop: %+v", got)
		}
	})
}

// A clock that is set forward makes leases look ended; what this process carries out stays its own.
func TestAClockThatIsSet(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		var ahead atomic.Int64
		now := func() time.Time { return clock().Add(time.Duration(ahead.Load())) }
		r := operation.NewRunner(s.store, now, s.newID, s.log)
		r.Register(s.plan(s.step("a", blocking, nil)))
		defer s.run(r)()
		s.accept(r, "1")
		s.settle()
		ahead.Store(int64(24 * time.Hour))
		time.Sleep(5 * time.Second)
		s.settle()
		s.wantCalls("do a")
	})
}
