// SPDX-License-Identifier: Apache-2.0

package rest

import "github.com/rhyzome/rhyzome/core"

// list is one page.
type list[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next,omitempty" description:"Cursor of the next page; absent on the last."`
}

// page makes a list of what a service returns.
func page[T any](items []T, next string, err error) (list[T], error) {
	if items == nil {
		items = []T{}
	}
	return list[T]{Items: items, Next: next}, err
}

// accepted is the answer to a creation that takes a while.
type accepted[T any] struct {
	Resource  T              `json:"resource"`
	Operation core.Operation `json:"operation"`
}

func accept[T any](resource T, op core.Operation, err error) (accepted[T], error) {
	return accepted[T]{Resource: resource, Operation: op}, err
}

func (a accepted[T]) location(string) string { return operationPath(a.Operation) }

// started is the answer to a deletion or an action that takes a while.
type started struct {
	Operation core.Operation `json:"operation"`
}

func start(op core.Operation, err error) (started, error) { return started{Operation: op}, err }

func (s started) location(string) string { return operationPath(s.Operation) }

func operationPath(op core.Operation) string { return "/v1/operations/" + op.ID }

// nothing is the output of a route that answers 204.
type nothing struct{}
