// SPDX-License-Identifier: Apache-2.0

package operation_test

import (
	"context"
	"errors"
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/operation"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func TestConflicts(t *testing.T) {
	for name, c := range map[string]struct {
		resource string
		parents  []string
		refused  bool
	}{
		"the same resource":                        {"instance", nil, true},
		"a parent that is held exclusively":        {"port", []string{"instance"}, true},
		"a resource that is shared as a parent":    {"network", nil, true},
		"another resource with the same parents":   {"other", []string{"network", "image"}, false},
		"another resource with no parent":          {"other", nil, false},
		"another resource with another's resource": {"other", []string{"free"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *system) {
				r := s.runner(s.plan(s.step("a", nil, nil)))
				first, err := s.tryAccept(r, operation.Request{
					Kind: "thing.create", Resource: thing("instance"), Parents: []string{"network", "image"},
				})
				if err != nil {
					t.Fatal(err)
				}
				second := operation.Request{Kind: "thing.create", Resource: thing(c.resource), Parents: c.parents}
				_, err = s.tryAccept(r, second)
				if !c.refused {
					if err != nil {
						t.Error(err)
					}
					return
				}
				wantReason(t, err, fault.ResourceBusy)
				if got := fault.Of(err).Metadata["operation"]; got != first.ID {
					t.Errorf("the fault names %q, want %q", got, first.ID)
				}
				stop := s.run(r)
				s.ended(first.ID)
				stop()
				if _, err = s.tryAccept(r, second); err != nil {
					t.Errorf("after the first ended: %v", err)
				}
			})
		})
	}
}

func TestNothingIsAcceptedWithoutItsTransaction(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		r := s.runner(s.plan(s.step("a", nil, nil)))
		defer s.run(r)()
		late := errors.New("quota")
		err := s.store.Update(t.Context(), func(tx core.Tx) error {
			if _, err := r.Accept(tx, operation.Request{Kind: "thing.create", Resource: thing("1")}); err != nil {
				return err
			}
			return late
		})
		if !errors.Is(err, late) {
			t.Errorf("Update = %v", err)
		}
		r.Wake()
		s.settle()
		s.wantCalls()
	})
}

func TestRefusedRequests(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		empty := operation.Plan{Kind: "thing.nothing"}
		r := s.runner(s.plan(s.step("a", nil, nil)), empty)
		for name, req := range map[string]operation.Request{
			"unknown kind":            {Kind: "thing.paint", Resource: thing("1")},
			"no steps":                {Kind: "thing.nothing", Resource: thing("1")},
			"input that is no JSON":   {Kind: "thing.create", Resource: thing("1"), Input: func() {}},
			"input that has no order": {Kind: "thing.create", Resource: thing("1"), Input: map[bool]int{}},
		} {
			if _, err := s.tryAccept(r, req); fault.ReasonOf(err) != fault.Bug {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestInputReachesTheSteps(t *testing.T) {
	inBubble(t, func(t *testing.T, s *system) {
		type input struct{ Hard bool }
		var got input
		var damaged error
		r := s.runner(s.plan(s.step("a", func(_ context.Context, r *operation.Run) error {
			damaged = r.Input(&[]int{})
			return r.Input(&got)
		}, nil)))
		defer s.run(r)()
		if _, err := s.tryAccept(r, operation.Request{Kind: "thing.create", Resource: thing("1"), Input: input{Hard: true}}); err != nil {
			t.Fatal(err)
		}
		s.settle()
		if !got.Hard {
			t.Error("the step did not get the input")
		}
		wantReason(t, damaged, fault.Bug)
	})
}
