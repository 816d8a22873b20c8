// SPDX-License-Identifier: Apache-2.0

package operationtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/operation"
	"github.com/rhyzome/rhyzome/core/store"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// backend is what a provider has.
type backend struct {
	mu     sync.Mutex
	things []string
}

func (b *backend) has(thing string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.things {
		if t == thing {
			return true
		}
	}
	return false
}

func (b *backend) add(thing string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.things = append(b.things, thing)
}

func (b *backend) remove(thing string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := b.things[:0]
	for _, t := range b.things {
		if t != thing {
			kept = append(kept, t)
		}
	}
	b.things = kept
}

func (b *backend) want(things ...string) func(context.Context) error {
	return func(context.Context) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if fmt.Sprint(b.things) != fmt.Sprint(things) {
			return fmt.Errorf("the backend has %q, want %q", b.things, things)
		}
		return nil
	}
}

// make and unmake are a step as it should be: its effect is the same however often it is called.
func (b *backend) make(thing string) action {
	return func(context.Context, *operation.Run) error {
		if !b.has(thing) {
			b.add(thing)
		}
		return nil
	}
}

func (b *backend) unmake(thing string) action {
	return func(context.Context, *operation.Run) error {
		b.remove(thing)
		return nil
	}
}

func create(b *backend) operation.Plan {
	return operation.Plan{Kind: "thing.create", Steps: []operation.Step{
		{Name: "make disk", Do: b.make("disk"), Undo: b.unmake("disk")},
		{Name: "check", Do: func(context.Context, *operation.Run) error { return nil }},
		{Name: "make machine", Do: b.make("machine"), Undo: b.unmake("machine")},
	}}
}

func remove(b *backend) operation.Plan {
	return operation.Plan{Kind: "thing.delete", Forward: true, Steps: []operation.Step{
		{Name: "remove machine", Do: b.unmake("machine")},
		{Name: "remove disk", Do: b.unmake("disk")},
	}}
}

func newStore(t *testing.T) *store.Store {
	t.Helper()
	now := func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "rhyzome.db"), now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// newWorld is a world with one plan; done is what the backend has when it succeeded.
func newWorld(t *testing.T, b *backend, plan operation.Plan, done ...string) World {
	t.Helper()
	s := newStore(t)
	return World{
		Store: s, Plans: []operation.Plan{plan}, Kind: plan.Kind, Done: b.want(done...), Undone: b.want(),
		Begin: func(ctx context.Context) (op core.Operation, err error) {
			r := operation.NewRunner(s, time.Now, uuid.NewString, slog.New(slog.DiscardHandler))
			r.Register(plan)
			err = s.Update(ctx, func(tx core.Tx) error {
				op, err = r.Accept(tx, operation.Request{Kind: plan.Kind, Resource: core.ResourceRef{Kind: "thing", ID: "1", Name: "one"}})
				return err
			})
			return op, err
		},
	}
}

func TestGoodPlans(t *testing.T) {
	t.Run("create", func(t *testing.T) {
		Run(t, func(t *testing.T) World {
			b := &backend{}
			return newWorld(t, b, create(b), "disk", "machine")
		})
	})
	t.Run("delete", func(t *testing.T) {
		Run(t, func(t *testing.T) World {
			b := &backend{things: []string{"disk", "machine"}}
			return newWorld(t, b, remove(b))
		})
	})
}

// Each of these mistakes must be noticed.
func TestBadPlans(t *testing.T) {
	for name, spoil := range map[string]func(*backend, *operation.Plan){
		"a step that is not repeatable": func(b *backend, p *operation.Plan) {
			p.Steps[0].Do = func(context.Context, *operation.Run) error { b.add("disk"); return nil }
		},
		"a step that refuses to be repeated": func(b *backend, p *operation.Plan) {
			p.Steps[2].Do = func(context.Context, *operation.Run) error {
				if b.has("machine") {
					return fault.New(fault.ForeignConflict, "there is one already")
				}
				b.add("machine")
				return nil
			}
		},
		"no undo": func(_ *backend, p *operation.Plan) { p.Steps[0].Undo = nil },
		"an undo that trusts its process's memory": func(b *backend, p *operation.Plan) {
			made := false
			p.Steps[0].Do = func(context.Context, *operation.Run) error { made = true; return b.make("disk")(nil, nil) }
			p.Steps[0].Undo = func(context.Context, *operation.Run) error {
				if made {
					made = false
					b.remove("disk")
					return nil
				}
				return errors.New("what disk?")
			}
		},
		"an undo for another step's work": func(b *backend, p *operation.Plan) { p.Steps[2].Undo = b.unmake("disk") },
	} {
		t.Run(name, func(t *testing.T) {
			noticed := 0
			fresh := func() World {
				b := &backend{}
				plan := create(b)
				spoil(b, &plan)
				return newWorld(t, b, plan, "disk", "machine")
			}
			for _, trial := range trials(fresh().Plans[0]) {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				if err := try(ctx, fresh(), trial, slog.New(slog.DiscardHandler)); err != nil {
					noticed++
					t.Logf("%s: %v", trial.name, err)
				}
				cancel()
				if noticed > 0 {
					return
				}
			}
			t.Error("nobody noticed")
		})
	}
}
