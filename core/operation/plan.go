// SPDX-License-Identifier: Apache-2.0

// Package operation carries out long changes so that they survive a restart: an operation is recorded in the
// transaction that accepts the change, each of its steps is recorded before and after, every step may be repeated, and
// what failed is undone step by step, durably too.
//
// It knows neither instances nor networks: the use cases bring plans, and say in Ended what an outcome means.
package operation

import (
	"context"
	"encoding/json"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Run is one claim of an operation, given to its steps.
type Run struct {
	Operation core.Operation    // as claimed
	Fence     uint64            // drawn from the store at this claim; goes with every provider call
	Progress  provider.Progress // shown as the step's detail and in the operation's percent, at most once a second
}

// Input decodes what the request half left for the steps.
func (r *Run) Input(into any) error {
	if err := json.Unmarshal(r.Operation.Input, into); err != nil {
		return &fault.Error{Code: fault.Internal, Reason: fault.Bug, Message: "the operation's input is damaged", Err: err}
	}
	return nil
}

// Step is one repeatable action and its opposite.
//
// What Do returns decides how the operation goes on: nil, with the next step; a temporary fault, with the same step
// later (see Runner); any other fault, with undoing what was done. Undo is called for a step that Do failed at, or was
// interrupted at, too: it must cope with nothing or half of it being there.
type Step struct {
	Name string // "create ports"
	Do   func(ctx context.Context, r *Run) error
	Undo func(ctx context.Context, r *Run) error // nil: nothing to undo
}

// Plan says how one kind of operation is carried out.
type Plan struct {
	Kind  string // "instance.create"
	Steps []Step
	// Forward plans have no undo (deletes): every fault is retried until it works or somebody abandons the operation.
	Forward bool
	// Ended runs in the very transaction that records a final state (succeeded, failed, canceled, abandoned): it sets
	// the resource's state, releases addresses, deletes the row. May be nil.
	Ended func(tx core.Tx, op core.Operation) error
	// Leftovers says beforehand what abandoning would leave behind. May be nil.
	Leftovers func(tx core.Tx, op core.Operation) ([]string, error)
}

// undoable reports whether what the plan does can be taken back.
func (p Plan) undoable() bool { return !p.Forward && len(p.Steps) > 0 }

func (p Plan) stepNames() []string {
	names := make([]string, len(p.Steps))
	for i, s := range p.Steps {
		names[i] = s.Name
	}
	return names
}

// Request is what Accept records.
type Request struct {
	Kind     string
	Project  string
	Resource core.ResourceRef
	Parents  []string // ids held shared: network, image, host
	Steps    []string // names; left out, the registered plan's
	Input    any      // marshalled to Operation.Input; nil for none
}
