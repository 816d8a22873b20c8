// SPDX-License-Identifier: Apache-2.0

package provider

import "context"

type handleKey struct{}

// HandleFrom returns what the provider returned in Observed.BackendHandle, in the context of every call for one object:
// Get and Delete have no spec to carry it. It is an aid and no identity: it is nil where the core has none, as when the SDK
// looks by itself, and it may be an older one. Then the object is found by its id.
func HandleFrom(ctx context.Context) []byte {
	handle, _ := ctx.Value(handleKey{}).([]byte)
	return handle
}

// WithHandle returns a context for a call for one object. The SDK makes it of what the core sent; a client that calls with
// it sends the handle.
func WithHandle(ctx context.Context, handle []byte) context.Context {
	return context.WithValue(ctx, handleKey{}, handle)
}
