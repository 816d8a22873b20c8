// SPDX-License-Identifier: Apache-2.0

// Package operationtest tries plans mechanically: every step is repeated, fails before and after its work, is canceled,
// and loses its process before and after its commit. Whatever happened, the world must be as if the operation had been
// carried out exactly once, or never.
package operationtest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/operation"
)

// World is a fresh system, in which one operation is tried.
type World struct {
	Store core.Store
	// Plans are those of the use cases, bound to this world.
	Plans []operation.Plan
	// Kind is the kind of the operation that Begin accepts.
	Kind string
	// Begin makes what the operation needs, and has it accepted. Nothing carries it out yet.
	Begin func(ctx context.Context) (core.Operation, error)
	// Done says what is wrong after the operation succeeded: with the resource's row, with what the providers have.
	Done func(ctx context.Context) error
	// Undone says what is wrong after it failed or was canceled: what a provider still has of it, what is still allocated.
	// Forward plans, which are not undone, leave it out.
	Undone func(ctx context.Context) error
}

// Run tries the plan of one kind of operation; fresh makes a world for each trial.
func Run(t *testing.T, fresh func(t *testing.T) World) {
	t.Helper()
	plan, err := fresh(t).plan()
	if err != nil {
		t.Fatal(err)
	}
	for _, trial := range trials(plan) {
		t.Run(trial.name, func(t *testing.T) {
			log := slog.New(slog.NewTextHandler(t.Output(), nil))
			if err := try(t.Context(), fresh(t), trial, log); err != nil {
				t.Error(err)
			}
		})
	}
}

func (w World) plan() (operation.Plan, error) {
	for _, p := range w.Plans {
		if p.Kind == w.Kind {
			p.Steps = slices.Clone(p.Steps) // to be tampered with
			return p, nil
		}
	}
	return operation.Plan{}, fmt.Errorf("the world has no plan for %s", w.Kind)
}
