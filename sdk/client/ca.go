// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"net/http"
	"time"
)

// CA is the cloud's certificate authority, and how far its rotation is.
type CA struct {
	Cloud        string       `json:"cloud"` // its id
	Phase        CAPhase      `json:"phase"`
	Roots        []CARoot     `json:"roots"`        // what is trusted; the first one signs, or vouches for the intermediate that does
	Intermediate *CARoot      `json:"intermediate"` // what signs where the root's key is kept elsewhere; nil if the root does
	Providers    []CAProvider `json:"providers"`    // those with a certificate
}

// CAPhase of a rotation.
type CAPhase string

// The phases of a rotation.
const (
	CASteady    CAPhase = "steady"    // one root, which signs
	CASpreading CAPhase = "spreading" // a new root is given to everybody, the old one signs
	CASwitched  CAPhase = "switched"  // the new root signs, the old one is still trusted
)

// CARequest is what a root that is kept elsewhere has to sign.
type CARequest struct {
	Cloud              string `json:"cloud"` // its id
	KeyFingerprint     string `json:"key_fingerprint"`
	CertificateRequest string `json:"certificate_request"` // PEM
}

// CARoot is a root that is trusted, or an intermediate.
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

// Request returns what a root that is kept elsewhere has to sign. The key is the same until its certificate is installed.
func (s *Authority) Request(ctx context.Context) (r CARequest, err error) {
	err = s.t.call(ctx, request{method: http.MethodPost, path: "/v1/ca:request"}, &r)
	return r, err
}

// Install hands in what the root signed, in PEM, with the root behind it: fault.InvalidField if the core cannot use it,
// fault.BadState without a request, or while a rotation is under way. Under the root that is in use it signs at once.
func (s *Authority) Install(ctx context.Context, certificates string) (ca CA, err error) {
	body := struct {
		Certificates string `json:"certificates"`
	}{certificates}
	err = s.t.call(ctx, request{method: http.MethodPost, path: "/v1/ca:install", body: body}, &ca)
	return ca, err
}
