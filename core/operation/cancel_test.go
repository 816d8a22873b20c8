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

func TestCancel(t *testing.T) {
	for name, c := range map[string]struct {
		b        func(context.Context, *operation.Run) error // what the second step does
		undoB    func(context.Context, *operation.Run) error
		running  bool // whether a runner runs
		later    bool // whether the end takes time
		accepted core.OperationState
		end      core.OperationState
		want     []string
	}{
		"pending": {
			running: false, accepted: core.OperationCanceled, end: core.OperationCanceled,
			want: []string{"ended canceled"},
		},
		"running": {
			b: blocking, running: true, accepted: core.OperationRunning, end: core.OperationCanceled,
			want: []string{"do a", "do b", "undo b", "undo a", "ended canceled"},
		},
		"waiting": {
			b: failing(-1, errAway), running: true, accepted: core.OperationWaiting, end: core.OperationCanceled,
			want: []string{"do a", "do b", "undo b", "undo a", "ended canceled"},
		},
		"reverting after a failure": {
			b: failing(-1, errBroken), undoB: failing(1, errAway), running: true, later: true,
			accepted: core.OperationReverting, end: core.OperationFailed,
			want: []string{"do a", "do b", "undo b", "undo b", "undo a", "ended failed"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *system) {
				r := s.runner(s.plan(s.step("a", nil, nil), s.step("b", c.b, c.undoB)))
				if c.running {
					defer s.run(r)()
				}
				op := s.accept(r, "1")
				s.settle()
				got, err := r.Cancel(t.Context(), op.ID)
				if err != nil || got.State != c.accepted {
					t.Errorf("Cancel = %s, %v; want %s", got.State, err, c.accepted)
				}
				s.settle() // nothing waits for a heartbeat, or for the next attempt
				if c.later {
					s.ended(op.ID)
				}
				s.wantState(op.ID, c.end)
				s.wantCalls(c.want...)
				_, err = r.Cancel(t.Context(), op.ID)
				wantReason(t, err, fault.BadState)
			})
		})
	}
}

// A cancel that comes while the last step ends still counts: it was answered with a promise to undo.
func TestCancelWhileTheLastStepEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		var r *operation.Runner
		r = s.runner(s.plan(s.step("a", func(ctx context.Context, run *operation.Run) error {
			_, err := r.Cancel(ctx, run.Operation.ID)
			return err
		}, func(ctx context.Context, _ *operation.Run) error { return ctx.Err() })))
		defer s.run(r)()
		op := s.accept(r, "1")
		s.settle()
		s.wantState(op.ID, core.OperationCanceled)
		s.wantCalls("do a", "undo a", "ended canceled")
	})
}

// Another core may take the cancel: then the step's context does not end, but how the step ends still counts.
func TestCancelAtAnotherCore(t *testing.T) {
	for name, c := range map[string]struct {
		outcome error
		want    []string
	}{
		"the step succeeds":           {nil, []string{"do a", "undo a", "ended canceled"}},
		"the step fails for a while":  {errAway, []string{"do a", "undo a", "ended canceled"}},
		"the step fails for good too": {errBroken, []string{"do a", "undo a", "ended failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *system) {
				other := s.runner(s.plan())
				r := s.runner(s.plan(s.step("a", func(ctx context.Context, run *operation.Run) error {
					if _, err := other.Cancel(ctx, run.Operation.ID); err != nil {
						return err
					}
					return c.outcome
				}, nil), s.step("b", nil, nil)))
				defer s.run(r)()
				s.accept(r, "1")
				s.settle()
				s.wantCalls(c.want...)
			})
		})
	}
	t.Run("the step goes on", func(t *testing.T) {
		inBubble(t, func(t *testing.T, s *system) {
			r := s.runner(s.plan(s.step("a", blocking, nil)))
			defer s.run(r)()
			op := s.accept(r, "1")
			s.settle()
			if _, err := s.runner(s.plan()).Cancel(t.Context(), op.ID); err != nil {
				t.Fatal(err)
			}
			time.Sleep(11 * time.Second) // a heartbeat
			s.settle()
			s.wantState(op.ID, core.OperationCanceled)
		})
	})
}

// What is being undone because of a cancel is not disturbed by the heartbeats that see it.
func TestASlowUndo(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		r := s.runner(s.plan(s.step("a", blocking, func(ctx context.Context, _ *operation.Run) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Minute):
				return nil
			}
		})))
		defer s.run(r)()
		op := s.accept(r, "1")
		s.settle()
		if _, err := r.Cancel(t.Context(), op.ID); err != nil {
			t.Fatal(err)
		}
		s.ended(op.ID)
		s.wantCalls("do a", "undo a", "ended canceled")
	})
}

// A step that does not listen to its context cannot change what was abandoned.
func TestAStubbornStep(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		r := s.runner(s.plan(s.step("a", func(_ context.Context, r *operation.Run) error {
			for range 30 {
				time.Sleep(time.Second)
				r.Progress("still at it", 50)
			}
			return nil
		}, nil)))
		defer s.run(r)()
		op := s.accept(r, "1")
		s.settle()
		abandoned, err := r.Abandon(t.Context(), op.ID)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := s.stored(op.ID); !got.UpdatedAt.Equal(abandoned.UpdatedAt) || !got.LeaseUntil.IsZero() {
			t.Errorf("it was changed: %+v", got)
		}
	})
}

// What is being undone is not disturbed by a cancel.
func TestCancelWhileUndoing(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		r := s.runner(s.plan(s.step("a", failing(-1, errBroken), func(ctx context.Context, _ *operation.Run) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Minute):
				return nil
			}
		})))
		defer s.run(r)()
		op := s.accept(r, "1")
		s.settle()
		for range 3 {
			if got, err := r.Cancel(t.Context(), op.ID); err != nil || got.State != core.OperationReverting {
				t.Errorf("Cancel = %s, %v", got.State, err)
			}
		}
		s.ended(op.ID)
		s.wantCalls("do a", "undo a", "ended failed")
	})
}

func TestAbandon(t *testing.T) {
	for name, c := range map[string]struct {
		b, undoB func(context.Context, *operation.Run) error
		running  bool
		want     []string
	}{
		"pending":   {nil, nil, false, []string{"ended abandoned"}},
		"running":   {blocking, nil, true, []string{"do a", "do b", "ended abandoned", "b was interrupted"}},
		"waiting":   {failing(-1, errAway), nil, true, []string{"do a", "do b", "ended abandoned"}},
		"reverting": {failing(-1, errBroken), failing(-1, errAway), true, []string{"do a", "do b", "undo b", "ended abandoned"}},
		"undoing":   {failing(-1, errBroken), blocking, true, []string{"do a", "do b", "undo b", "ended abandoned", "b was interrupted"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *system) {
				p := s.plan(s.step("a", nil, nil), s.interruptible(s.step("b", c.b, c.undoB)))
				p.Leftovers = func(_ core.Tx, op core.Operation) ([]string, error) {
					return []string{"thing " + op.Resource.ID + " on host h"}, nil
				}
				r := s.runner(p)
				if c.running {
					defer s.run(r)()
				}
				op := s.accept(r, "1")
				s.settle()
				before, err := r.Get(t.Context(), op.ID)
				if err != nil || !slices.Equal(before.Leftovers, []string{"thing 1 on host h"}) {
					t.Errorf("before, leftovers are %q, %v", before.Leftovers, err)
				}
				got, err := r.Abandon(t.Context(), op.ID)
				if err != nil || got.State != core.OperationAbandoned || !slices.Equal(got.Leftovers, before.Leftovers) {
					t.Errorf("Abandon = %+v, %v", got, err)
				}
				if got.Error == nil || got.Error.Code != string(fault.OperationAbandon) {
					t.Errorf("error %+v", got.Error)
				}
				s.settle()
				s.wantCalls(c.want...)
				time.Sleep(2 * time.Minute) // whoever carried it out does nothing more
				s.settle()
				s.wantCalls()
				s.wantState(op.ID, core.OperationAbandoned)
				_, err = r.Abandon(t.Context(), op.ID)
				wantReason(t, err, fault.BadState)
			})
		})
	}
}

func TestUnknownOperations(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		r := s.runner()
		for name, f := range map[string]func(context.Context, string) (core.Operation, error){
			"Get": r.Get, "Cancel": r.Cancel, "Abandon": r.Abandon,
		} {
			if _, err := f(t.Context(), "nobody"); fault.ReasonOf(err) != fault.UnknownResource {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, _, err := r.List(t.Context(), "nobody", core.Page{})
		wantReason(t, err, fault.UnknownResource)
	})
}

func TestList(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		r := s.runner(s.plan(s.step("a", nil, nil)))
		alice := s.newID()
		err := s.store.Update(t.Context(), func(tx core.Tx) error {
			return tx.Projects().Insert(core.Project{Meta: core.Meta{ID: alice, Name: "alice"}})
		})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, resource := range []string{"1", "2", "3", "4", "5"} {
			op, err := s.tryAccept(r, operation.Request{Kind: "thing.create", Project: alice, Resource: thing(resource)})
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, op.ID)
		}
		s.accept(r, "of another project")
		var got []string
		page := core.Page{Limit: 2}
		for more := true; more; more = page.After != "" {
			ops, next, err := r.List(t.Context(), "alice", page)
			if err != nil {
				t.Fatal(err)
			}
			for _, op := range ops {
				got = append(got, op.ID)
			}
			page.After = next
		}
		if !slices.Equal(got, want) {
			t.Errorf("listed %q, want %q", got, want)
		}
		all, _, err := r.List(t.Context(), "", core.Page{})
		if err != nil || len(all) != len(want)+1 {
			t.Errorf("of all projects: %d operations, %v; want %d", len(all), err, len(want)+1)
		}
	})
}
