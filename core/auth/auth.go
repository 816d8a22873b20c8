// SPDX-License-Identifier: Apache-2.0

// Package auth says who makes a request. For now there is one principal, the operator, whose token lies in a file of
// the state directory; that file is also how the operator learns it.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Principal is somebody who was recognised.
type Principal struct {
	Name string
}

// Tokens knows the valid tokens by their hashes.
type Tokens struct {
	known []entry
}

type entry struct {
	hash      [sha256.Size]byte
	principal Principal
}

// Authenticate returns whose token it is; fault.Unauthorized if it is nobody's.
func (t *Tokens) Authenticate(token string) (Principal, error) {
	switch {
	case token == "":
		return Principal{}, fault.New(fault.Unauthorized, "the request has no bearer token")
	case !wellFormed(token):
		return Principal{}, fault.New(fault.Unauthorized, "the token is mistyped or cut off: its checksum is wrong")
	}
	given := hash(token)
	for _, e := range t.known {
		if subtle.ConstantTimeCompare(e.hash[:], given[:]) == 1 {
			return e.principal, nil
		}
	}
	return Principal{}, fault.New(fault.Unauthorized, "the token is not known here")
}

type principalKey struct{}

// With returns a context that carries the principal of its request.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// From returns the principal of a request; false where nobody was recognised.
func From(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}
