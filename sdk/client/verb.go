// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"net/http"
)

// accepted is the answer to a change that takes a while.
type accepted[T any] struct {
	Resource  T         `json:"resource"`
	Operation Operation `json:"operation"`
}

// started is the answer to a change that leaves no resource to show, or only changes what one does.
type started struct {
	Operation Operation `json:"operation"`
}

func get[T any](ctx context.Context, t *transport, segments ...string) (T, error) {
	var v T
	p, err := path(segments...)
	if err != nil {
		return v, err
	}
	err = t.call(ctx, request{method: http.MethodGet, path: p}, &v)
	return v, err
}

// create makes what is there at once.
func create[T any](ctx context.Context, t *transport, body any, segments ...string) (T, error) {
	var v T
	p, err := path(segments...)
	if err != nil {
		return v, err
	}
	err = t.call(ctx, request{method: http.MethodPost, path: p, body: body}, &v)
	return v, err
}

// accept makes what is there when the operation has succeeded.
func accept[T any](ctx context.Context, t *transport, body any, segments ...string) (T, Operation, error) {
	a, err := create[accepted[T]](ctx, t, body, segments...)
	return a.Resource, a.Operation, err
}

// remove deletes at once.
func remove(ctx context.Context, t *transport, segments ...string) error {
	p, err := path(segments...)
	if err != nil {
		return err
	}
	return t.call(ctx, request{method: http.MethodDelete, path: p}, nil)
}

// retire deletes by an operation.
func retire(ctx context.Context, t *transport, segments ...string) (Operation, error) {
	p, err := path(segments...)
	if err != nil {
		return Operation{}, err
	}
	var s started
	err = t.call(ctx, request{method: http.MethodDelete, path: p}, &s)
	return s.Operation, err
}

// act posts an action on a resource: /v1/…/NAME:ACTION.
func act[T any](ctx context.Context, t *transport, action string, body any, segments ...string) (T, error) {
	var v T
	p, err := path(segments...)
	if err != nil {
		return v, err
	}
	err = t.call(ctx, request{method: http.MethodPost, path: p + ":" + action, body: body}, &v)
	return v, err
}
