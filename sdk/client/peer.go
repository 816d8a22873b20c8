// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"io"
	"iter"
	"net/http"
	"time"
)

// Peer is a remote WireGuard endpoint admitted to a network. Its private key never leaves the client.
type Peer struct {
	Meta
	Project string     `json:"project"`
	Network string     `json:"network"` // id
	Spec    PeerSpec   `json:"spec"`
	Status  PeerStatus `json:"status"`
}

// PeerSpec is what was asked.
type PeerSpec struct {
	PublicKey string `json:"public_key"` // base64, as wg pubkey prints it
}

// PeerStatus is what is true.
type PeerStatus struct {
	State      PeerState  `json:"state"`
	Message    string     `json:"message,omitempty"`
	Addresses  []string   `json:"addresses"`   // the peer's own, on the tunnel
	AllowedIPs []string   `json:"allowed_ips"` // what the peer reaches through the tunnel
	DNS        []string   `json:"dns"`
	Operation  string     `json:"operation,omitempty"` // id of the operation that works on it now
	ObservedAt *time.Time `json:"observed_at,omitempty"`
}

// PeerState of a peer.
type PeerState string

// The states of a peer.
const (
	PeerBuilding PeerState = "building"
	PeerReady    PeerState = "ready"
	PeerDeleting PeerState = "deleting"
	PeerError    PeerState = "error"
	PeerUnknown  PeerState = "unknown"
)

// NewPeer asks for a peer.
type NewPeer struct {
	Name        string            `json:"name"` // DNS label, fixed after creation
	DisplayName string            `json:"display_name,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Spec        PeerSpec          `json:"spec"`
}

// Peers is the client of /v1/projects/{project}/networks/{network}/peers.
type Peers struct{ t *transport }

// Create accepts a peer: its addresses are decided, and it is admitted when the operation has succeeded.
// fault.NoEndpoint if the network's router declares no public endpoint.
func (s *Peers) Create(ctx context.Context, project, network string, peer NewPeer) (Peer, Operation, error) {
	return accept[Peer](ctx, s.t, peer, "projects", project, "networks", network, "peers")
}

// List returns one page and the cursor of the next.
func (s *Peers) List(ctx context.Context, project, network string, page Page) ([]Peer, string, error) {
	p, err := path("projects", project, "networks", network, "peers")
	if err != nil {
		return nil, "", err
	}
	return getPage[Peer](ctx, s.t, p, nil, page)
}

// All walks through every peer of a network.
func (s *Peers) All(ctx context.Context, project, network string) iter.Seq2[Peer, error] {
	return all(func(p Page) ([]Peer, string, error) { return s.List(ctx, project, network, p) })
}

// Get returns a peer; fault.UnknownResource if there is none.
func (s *Peers) Get(ctx context.Context, project, network, peer string) (Peer, error) {
	return get[Peer](ctx, s.t, "projects", project, "networks", network, "peers", peer)
}

// Config returns a wg-quick file, with a placeholder where the client's private key belongs.
func (s *Peers) Config(ctx context.Context, project, network, peer string) (string, error) {
	p, err := path("projects", project, "networks", network, "peers", peer, "config")
	if err != nil {
		return "", err
	}
	response, err := s.t.send(ctx, request{method: http.MethodGet, path: p})
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return "", unreadable(ctx, err)
	}
	return string(text), nil
}

// Delete begins to shut a peer out.
func (s *Peers) Delete(ctx context.Context, project, network, peer string) (Operation, error) {
	return retire(ctx, s.t, "projects", project, "networks", network, "peers", peer)
}
