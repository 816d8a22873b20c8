// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"net/http"
	"time"
)

// CA is the cloud's certificate authority, and how far its rotation is.
type CA struct {
	Phase     CAPhase      `json:"phase"`
	Roots     []CARoot     `json:"roots"`     // what is trusted; the first one signs
	Providers []CAProvider `json:"providers"` // those with a certificate
}

// CAPhase of a rotation.
type CAPhase string

// The phases of a rotation.
const (
	CASteady    CAPhase = "steady"    // one root, which signs
	CASpreading CAPhase = "spreading" // a new root is given to everybody, the old one signs
	CASwitched  CAPhase = "switched"  // the new root signs, the old one is still trusted
)

// CARoot is a root that is trusted.
type CARoot struct {
	Fingerprint string    `json:"fingerprint"`
	Certificate string    `json:"certificate"` // PEM
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
}

// CAProvider is how far one provider is.
type CAProvider struct {
	ID    string        `json:"id"`
	Name  string        `json:"name"`
	State ProviderState `json:"state"`
	Ready bool          `json:"ready"` // for the next step of the rotation
}

// Authority is the client of /v1/ca.
type Authority struct{ t *transport }

// Get tells what is trusted, and how far a rotation is.
func (s *Authority) Get(ctx context.Context) (CA, error) { return get[CA](ctx, s.t, "ca") }

// Rotate takes the next step of a rotation: fault.BadState, naming them, while providers are not ready for it. With force
// it is taken all the same, and those need a new join token.
func (s *Authority) Rotate(ctx context.Context, force bool) (ca CA, err error) {
	body := struct {
		Force bool `json:"force,omitempty"`
	}{force}
	err = s.t.call(ctx, request{method: http.MethodPost, path: "/v1/ca:rotate", body: body}, &ca)
	return ca, err
}
