// SPDX-License-Identifier: Apache-2.0

package core

import (
	"encoding/json"
	"time"
)

// Operation is the durable record of a change, and of how far it has come.
type Operation struct {
	ID         string          `json:"id"`
	Project    string          `json:"project,omitempty"`
	Kind       string          `json:"kind" description:"What is done: instance.create, network.delete."`
	Resource   ResourceRef     `json:"resource"`
	State      OperationState  `json:"state" enum:"pending,running,waiting,reverting,succeeded,failed,canceled,abandoned"`
	WaitingFor string          `json:"waiting_for,omitempty" description:"For people, in state waiting: what has to happen."`
	Percent    int             `json:"percent"`
	Steps      []OperationStep `json:"steps" nullable:"false"`
	Error      *Problem        `json:"error,omitempty"`
	Leftovers  []string        `json:"leftovers,omitempty" description:"What an abandoned operation left behind; of an open one, what abandoning it now would leave."`
	CreatedAt  time.Time       `json:"created_at"`
	UpdatedAt  time.Time       `json:"updated_at"`
	EndedAt    *time.Time      `json:"ended_at,omitempty"`

	// What the runner keeps; not shown.
	Step            int             `json:"-"` // index of the step that is next, or being undone
	Attempt         int             `json:"-"`
	RunAt           time.Time       `json:"-"` // not before
	Fence           uint64          `json:"-"` // of the last claim
	LeaseUntil      time.Time       `json:"-"`
	CancelRequested bool            `json:"-"`
	Parents         []string        `json:"-"` // ids of resources held shared
	Input           json.RawMessage `json:"-"` // what the plan needs besides the resource
}

// ResourceRef names a resource.
type ResourceRef struct {
	Kind string `json:"kind" description:"instance, network, peer, image."`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// OperationStep is one repeatable action of an operation.
type OperationStep struct {
	Name      string     `json:"name"`
	State     StepState  `json:"state" enum:"pending,running,done,undoing,undone,failed"`
	Detail    string     `json:"detail,omitempty" description:"What the provider is doing: copying the image."`
	Attempts  int        `json:"attempts"`
	StartedAt *time.Time `json:"started_at,omitempty"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
}

// OperationState of an operation.
type OperationState string

// The states of an operation. The last four are final.
const (
	OperationPending   OperationState = "pending"
	OperationRunning   OperationState = "running"
	OperationWaiting   OperationState = "waiting" // for something outside: it says what
	OperationReverting OperationState = "reverting"
	OperationSucceeded OperationState = "succeeded"
	OperationFailed    OperationState = "failed"
	OperationCanceled  OperationState = "canceled"
	OperationAbandoned OperationState = "abandoned"
)

// Ended reports whether the state is final.
func (s OperationState) Ended() bool {
	switch s {
	case OperationSucceeded, OperationFailed, OperationCanceled, OperationAbandoned:
		return true
	}
	return false
}

// StepState of a step.
type StepState string

// The states of a step.
const (
	StepPending StepState = "pending"
	StepRunning StepState = "running"
	StepDone    StepState = "done"
	StepUndoing StepState = "undoing"
	StepUndone  StepState = "undone"
	StepFailed  StepState = "failed"
)

// Problem is a failure as users see it (RFC 9457 without the HTTP parts).
type Problem struct {
	Code   string         `json:"code" description:"Stable; see docs/errors.md."`
	Detail string         `json:"detail"`
	Errors []ProblemField `json:"errors,omitempty"`
}

// ProblemField says what is wrong with one field.
type ProblemField struct {
	Field       string `json:"field" description:"JSON pointer."`
	Description string `json:"description"`
}

// Event is the fact that something changed.
type Event struct {
	Position int64       `json:"position" description:"Cursor; readers resume after it."`
	At       time.Time   `json:"at"`
	Type     string      `json:"type" description:"instance.created, operation.updated, provider.unreachable."`
	Project  string      `json:"project,omitempty"`
	Resource ResourceRef `json:"resource"`
	Message  string      `json:"message,omitempty"`
}
