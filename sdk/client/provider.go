// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"iter"
	"net/http"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Provider is one configured, attached use of a plugin.
type Provider struct {
	Meta
	DialAddress string         `json:"dial_address,omitempty"` // HOST:PORT where it listens; empty if it dials the core
	Local       *LocalProvider `json:"local,omitempty"`        // of a provider that the core runs itself
	Drain       *Drain         `json:"drain,omitempty"`        // an operator wants it drained
	Status      ProviderStatus `json:"status"`
}

// Drain is the wish that a provider finishes its work, and takes no other. It outlives the provider's process.
type Drain struct {
	At             time.Time `json:"at"`
	TimeoutSeconds int64     `json:"timeout_seconds,omitempty"` // for running work; an hour if it is not said
}

// ProviderStatus is what is true.
type ProviderStatus struct {
	State        ProviderState `json:"state"`
	Message      string        `json:"message,omitempty"`
	Plugin       string        `json:"plugin,omitempty"`
	Version      string        `json:"version,omitempty"`
	Services     []string      `json:"services"`
	Capabilities []string      `json:"capabilities"`
	MachineID    string        `json:"machine_id,omitempty"`
	Way          string        `json:"way,omitempty"`     // child or attached
	Address      string        `json:"address,omitempty"` // where it came from
	AttachedAt   *time.Time    `json:"attached_at,omitempty"`
	SeenAt       *time.Time    `json:"seen_at,omitempty"`
	CertExpires  *time.Time    `json:"certificate_expires_at,omitempty"`

	Lease   *ProviderLease     `json:"lease,omitempty"`   // while it is attached
	Program *ProviderProgram   `json:"program,omitempty"` // what it runs, or ran last
	Report  *ConformanceReport `json:"report,omitempty"`  // as an operator gave it
	Behind  string             `json:"behind,omitempty"`  // the newest version of its plugin that is attached, if its own is older

	KeyFingerprint   string                 `json:"key_fingerprint,omitempty"`      // of the key of its last certificate
	Certificate      *ProviderCertificate   `json:"certificate,omitempty"`          // the last one that was signed
	JoinedAt         *time.Time             `json:"joined_at,omitempty"`            // certificates from before are refused
	AdmittedServices []string               `json:"admitted_services,omitempty"`    // empty for all
	Approval         *Approval              `json:"approval,omitempty"`             // a machine that waits for Approve
	Contested        *Contest               `json:"contested,omitempty"`            // somebody else who tried to be this provider
	ReplacedMachines []string               `json:"replaced_machines,omitempty"`    // may not attach any more
	ConfigFaults     []fault.FieldViolation `json:"configuration_faults,omitempty"` // what it refuses of its configuration
	LastError        *LastError             `json:"last_error,omitempty"`           // stays when all is well again
	Hosts            []string               `json:"hosts,omitempty"`                // names
	Routers          []string               `json:"routers,omitempty"`              // names
}

// ProviderLease says which core configures and watches a provider.
type ProviderLease struct {
	Core  string    `json:"core"` // the address at which providers attach to it
	Since time.Time `json:"since"`
}

// ProviderProgram is the program of a provider.
type ProviderProgram struct {
	SHA256   string `json:"sha256"`
	Measured bool   `json:"measured"` // by the core; else the provider says so itself
}

// LastError is the last thing that went wrong with a provider.
type LastError struct {
	At      time.Time `json:"at"`
	Message string    `json:"message"`
}

// ProviderCertificate is the last certificate that was signed for a provider.
type ProviderCertificate struct {
	Serial string   `json:"serial"` // hexadecimal
	Issuer string   `json:"issuer"` // fingerprint of the root that signed it
	Roots  []string `json:"roots"`  // fingerprints of the roots that came with it
	InUse  bool     `json:"in_use"` // the provider has shown it
}

// Approval is a machine that redeemed the join token and waits to be admitted.
type Approval struct {
	KeyFingerprint string    `json:"key_fingerprint"` // its join shows the same
	MachineID      string    `json:"machine_id"`
	Plugin         string    `json:"plugin"`
	Address        string    `json:"address"` // where it came from
	AskedAt        time.Time `json:"asked_at"`
}

// Contest is an attempt to be a provider that is somebody else. It was refused.
type Contest struct {
	At        time.Time `json:"at"`
	MachineID string    `json:"machine_id"`
	Address   string    `json:"address"`
	Message   string    `json:"message"` // what was tried
	Cloned    bool      `json:"cloned"`  // it had the provider's certificate, so that Replace is possible
}

// ProviderState of a provider.
type ProviderState string

// The states of a provider.
const (
	ProviderJoining     ProviderState = "joining" // a token was made, nobody came yet
	ProviderReady       ProviderState = "ready"
	ProviderDegraded    ProviderState = "degraded" // attached, its backend is not well
	ProviderDraining    ProviderState = "draining" // it finishes its work, and takes no other
	ProviderDrained     ProviderState = "drained"  // nothing runs any more
	ProviderUnreachable ProviderState = "unreachable"
	ProviderCrashing    ProviderState = "crashing" // a child that ends again and again soon after its start
	ProviderRevoked     ProviderState = "revoked"
)

// JoinToken admits one provider, once.
type JoinToken struct {
	Token     string    `json:"token"`   // a secret, shown this once
	Command   string    `json:"command"` // one line to run on the other machine
	ExpiresAt time.Time `json:"expires_at"`
}

// NewToken asks for a join token.
type NewToken struct {
	Name            string   `json:"name"`                       // of the provider, a DNS label
	Services        []string `json:"services,omitempty"`         // compute, network; empty for what it offers when it joins
	RequireApproval bool     `json:"require_approval,omitempty"` // nothing is signed before Approve
	Replace         bool     `json:"replace,omitempty"`          // cut off who has the name now, also if it is attached
}

// Providers is the client of /v1/providers.
type Providers struct{ t *transport }

// CreateToken makes a provider in state joining, and the token that admits it.
func (s *Providers) CreateToken(ctx context.Context, token NewToken) (Provider, JoinToken, error) {
	var v struct {
		Provider Provider  `json:"provider"`
		Token    JoinToken `json:"token"`
	}
	r := request{method: http.MethodPost, path: "/v1/providers:token", body: token}
	err := s.t.call(ctx, r, &v)
	return v.Provider, v.Token, err
}

// List returns one page and the cursor of the next.
func (s *Providers) List(ctx context.Context, page Page) ([]Provider, string, error) {
	return getPage[Provider](ctx, s.t, "/v1/providers", nil, page)
}

// All walks through every provider.
func (s *Providers) All(ctx context.Context) iter.Seq2[Provider, error] {
	return all(func(p Page) ([]Provider, string, error) { return s.List(ctx, p) })
}

// Get returns a provider; fault.UnknownResource if there is none.
func (s *Providers) Get(ctx context.Context, provider string) (Provider, error) {
	return get[Provider](ctx, s.t, "providers", provider)
}

// Dial makes the core connect to a provider that listens at address (HOST:PORT); empty for one that dials the core.
func (s *Providers) Dial(ctx context.Context, provider, address string) (Provider, error) {
	return act[Provider](ctx, s.t, "dial", map[string]string{"address": address}, "providers", provider)
}

// Drain lets a provider finish its work within a time (0 for an hour), and take no other. It is ProviderDrained when nothing
// runs any more.
func (s *Providers) Drain(ctx context.Context, provider string, within time.Duration) (Provider, error) {
	body := map[string]int64{"timeout_seconds": int64(within.Seconds())}
	return act[Provider](ctx, s.t, "drain", body, "providers", provider)
}

// Undrain lets a provider take work again; fault.BadState if nobody drained it. One that the core runs is started anew for
// that; another one's process, once it drains, takes work when it is started anew on its machine.
func (s *Providers) Undrain(ctx context.Context, provider string) (Provider, error) {
	return act[Provider](ctx, s.t, "undrain", nil, "providers", provider)
}

// Delete revokes a provider: its connection is closed and its certificate refused from now on. fault.HasChildren while
// hosts or routers of it carry anything.
func (s *Providers) Delete(ctx context.Context, provider string) error {
	return remove(ctx, s.t, "providers", provider)
}

// Approve lets the machine in that waits, or ends a contest in favour of the provider as it is; fault.BadState if there is
// neither. A fingerprint that is not empty must be that of the key in question.
func (s *Providers) Approve(ctx context.Context, provider, fingerprint string) (Provider, error) {
	body := struct {
		KeyFingerprint string `json:"key_fingerprint,omitempty"`
	}{fingerprint}
	return act[Provider](ctx, s.t, "approve", body, "providers", provider)
}

// Replace lets the machine that showed a copy of the provider's certificate take its place, and refuses the other one
// from now on; fault.BadState if there is no such machine. An id that is not empty must be that machine's.
func (s *Providers) Replace(ctx context.Context, provider, machineID string) (Provider, error) {
	body := struct {
		MachineID string `json:"machine_id,omitempty"`
	}{machineID}
	return act[Provider](ctx, s.t, "replace", body, "providers", provider)
}
