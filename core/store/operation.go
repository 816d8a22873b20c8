// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/json"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

var operations = kind[core.Operation]{
	table: "operations", noun: "operation", taken: fault.ResourceBusy,
	id: func(o core.Operation) string { return o.ID },
	columns: func(o core.Operation) columns {
		open := 1
		if o.State.Ended() {
			open = 0
		}
		return columns{
			"project": o.Project, "resource": o.Resource.ID, "open": open,
			"run_at": micros(o.RunAt), "lease_until": micros(o.LeaseUntil),
		}
	},
	by: selectors{
		byProject: "project = ?", byParent: "resource = ?", byOpen: "open = ?",
		byShared: "id IN (SELECT operation FROM operation_parents WHERE parent = ?)",
		byDue:    "run_at <= ?0 AND lease_until <= ?0",
	},
	document: func(o core.Operation) any { return storedOperation{o, kept(o)} },
	load:     loadOperation,
	inserted: shareParents,
}

// storedOperation is an operation with what is not shown of it.
type storedOperation struct {
	core.Operation
	Kept keptOperation `json:"kept"`
}

// keptOperation is what the runner keeps in an operation and core.Operation leaves out of JSON.
type keptOperation struct {
	Step            int             `json:"step"`
	Attempt         int             `json:"attempt"`
	RunAt           time.Time       `json:"run_at"`
	Fence           uint64          `json:"fence"`
	LeaseUntil      time.Time       `json:"lease_until"`
	CancelRequested bool            `json:"cancel_requested"`
	Parents         []string        `json:"parents"`
	Input           json.RawMessage `json:"input,omitempty"`
}

func kept(o core.Operation) keptOperation {
	return keptOperation{
		Step: o.Step, Attempt: o.Attempt, RunAt: o.RunAt, Fence: o.Fence, LeaseUntil: o.LeaseUntil,
		CancelRequested: o.CancelRequested, Parents: o.Parents, Input: o.Input,
	}
}

func loadOperation(document []byte) (core.Operation, error) {
	var s storedOperation
	if err := json.Unmarshal(document, &s); err != nil {
		return core.Operation{}, err
	}
	o, k := s.Operation, s.Kept
	o.Step, o.Attempt, o.RunAt, o.Fence, o.LeaseUntil = k.Step, k.Attempt, k.RunAt, k.Fence, k.LeaseUntil
	o.CancelRequested, o.Parents, o.Input = k.CancelRequested, k.Parents, k.Input
	return o, nil
}

// shareParents records the parents once: an operation keeps them for life.
func shareParents(t *tx, o core.Operation) error {
	for _, parent := range o.Parents {
		row := map[string]any{"operation": o.ID, "parent": parent}
		if _, err := t.db.NewInsert().Model(&row).Table("operation_parents").Ignore().Exec(t.ctx); err != nil {
			return err
		}
	}
	return nil
}
