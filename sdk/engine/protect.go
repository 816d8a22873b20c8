// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// protect calls the author's code, and turns a panic into fault.Panic.
func protect[T any](e *Engine, what string, f func() (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			e.log.Error("the provider's code panicked", "step", what, "error", p, "stack", string(debug.Stack()))
			err = fault.New(fault.Panic, "the provider's code panicked in %s", what)
		}
	}()
	return f()
}

// read calls the author's code for an answer that is wanted now; or, with a debugger, whenever it comes.
func read[T any](ctx context.Context, e *Engine, what string, timeout time.Duration, f func(context.Context) (T, error)) (T, error) {
	if !e.options.Debug {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	return protect(e, what, func() (T, error) { return f(ctx) })
}

// status turns an error into what a handler returns, and logs what its caller will not see.
func (e *Engine) status(what string, err error) error {
	if f := fault.Of(err); f != nil && f.Reason == fault.Bug {
		e.log.Error("unclassified error", "step", what, "error", err)
	}
	return wire.ToStatus(err)
}
