// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"iter"
	"net/url"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Operation is the durable record of a change, and of how far it has come.
type Operation struct {
	ID         string            `json:"id"`
	Project    string            `json:"project,omitempty"`
	Kind       string            `json:"kind"` // "instance.create"
	Resource   ResourceRef       `json:"resource"`
	State      OperationState    `json:"state"`
	WaitingFor string            `json:"waiting_for,omitempty"` // for people: what has to happen
	Percent    int               `json:"percent"`
	Steps      []OperationStep   `json:"steps"`
	Error      *OperationProblem `json:"error,omitempty"`
	Leftovers  []string          `json:"leftovers,omitempty"` // what an abandoned operation left behind
	CreatedAt  time.Time         `json:"created_at"`
	UpdatedAt  time.Time         `json:"updated_at"`
	EndedAt    *time.Time        `json:"ended_at,omitempty"`
}

// ResourceRef names a resource.
type ResourceRef struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// OperationStep is one repeatable action of an operation.
type OperationStep struct {
	Name      string     `json:"name"`
	State     StepState  `json:"state"`
	Detail    string     `json:"detail,omitempty"` // what the provider is doing
	Attempts  int        `json:"attempts"`
	StartedAt *time.Time `json:"started_at,omitempty"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
}

// OperationProblem says why an operation failed.
type OperationProblem struct {
	Code   fault.Reason           `json:"code"`
	Detail string                 `json:"detail"`
	Errors []fault.FieldViolation `json:"errors,omitempty"`
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

// Operations is the client of /v1/operations.
type Operations struct{ t *transport }

// List returns one page of a project's operations, or of all if project is empty, and the cursor of the next.
func (s *Operations) List(ctx context.Context, project string, page Page) ([]Operation, string, error) {
	q := url.Values{}
	if project != "" {
		q.Set("project", project)
	}
	return getPage[Operation](ctx, s.t, "/v1/operations", q, page)
}

// All walks through a project's operations, or through all if project is empty.
func (s *Operations) All(ctx context.Context, project string) iter.Seq2[Operation, error] {
	return all(func(p Page) ([]Operation, string, error) { return s.List(ctx, project, p) })
}

// Get returns an operation; fault.UnknownResource if there is none.
func (s *Operations) Get(ctx context.Context, operation string) (Operation, error) {
	return get[Operation](ctx, s.t, "operations", operation)
}

// Cancel asks to undo what an operation did so far; fault.BadState if it has ended or cannot be undone.
func (s *Operations) Cancel(ctx context.Context, operation string) (Operation, error) {
	return act[Operation](ctx, s.t, "cancel", nil, "operations", operation)
}

// Abandon gives an operation up; its Leftovers say what stays behind.
func (s *Operations) Abandon(ctx context.Context, operation string) (Operation, error) {
	return act[Operation](ctx, s.t, "abandon", nil, "operations", operation)
}

// Err returns nil for an operation that has succeeded or has not ended, and else the reason why it did not succeed.
func (o Operation) Err() error {
	switch {
	case o.State == OperationCanceled:
		return fault.New(fault.RequestCanceled, "%s of %s was canceled", o.Kind, o.Resource.Name)
	case o.State == OperationAbandoned:
		return fault.New(fault.OperationAbandon, "%s of %s was abandoned", o.Kind, o.Resource.Name)
	case o.State != OperationFailed:
		return nil
	case o.Error == nil:
		return fault.New(fault.Bug, "%s of %s failed", o.Kind, o.Resource.Name)
	}
	return &fault.Error{Code: o.Error.Code.Code(), Reason: o.Error.Code, Message: o.Error.Detail, Fields: o.Error.Errors}
}
