// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"iter"
	"time"
)

// Network is an isolated segment with its subnets, names and WireGuard endpoint.
type Network struct {
	Meta
	Project string        `json:"project"`
	Spec    NetworkSpec   `json:"spec"`
	Status  NetworkStatus `json:"status"`
}

// NetworkSpec is what was asked. What is left out is chosen when the request is accepted, and stands in the status.
type NetworkSpec struct {
	Fabric    string `json:"fabric,omitempty"`    // name; may be left out if there is one
	Router    string `json:"router,omitempty"`    // id or name, to pin the network to it
	IPv4CIDR  string `json:"ipv4_cidr,omitempty"` // private, /16 to /29
	IPv6CIDR  string `json:"ipv6_cidr,omitempty"` // a /64
	Egress    string `json:"egress,omitempty"`    // EgressNAT if left out
	WireGuard *bool  `json:"wireguard,omitempty"` // true if left out and the router has an endpoint
}

// The kinds of egress.
const (
	EgressNAT  = "nat"
	EgressNone = "none"
)

// NetworkStatus is what is true.
type NetworkStatus struct {
	State      NetworkState     `json:"state"`
	Message    string           `json:"message,omitempty"`
	Handle     string           `json:"handle"` // the interfaces on the router are rz_HANDLE and rzw_HANDLE
	Fabric     string           `json:"fabric"`
	SegmentID  int              `json:"segment_id"` // VLAN id
	Router     string           `json:"router"`     // id
	Domain     string           `json:"domain"`     // names are INSTANCE.DOMAIN
	MTU        int              `json:"mtu"`
	Subnets    []Subnet         `json:"subnets"`
	WireGuard  *WireGuardStatus `json:"wireguard,omitempty"`
	Operation  string           `json:"operation,omitempty"` // id of the operation that works on it now
	ObservedAt *time.Time       `json:"observed_at,omitempty"`
}

// Subnet is a range of a network.
type Subnet struct {
	CIDR    string `json:"cidr"`
	Gateway string `json:"gateway"`
}

// WireGuardStatus is what a peer needs to know of the network's endpoint.
type WireGuardStatus struct {
	Endpoint   string   `json:"endpoint"`             // HOST:PORT as reached from outside
	ListenPort int      `json:"listen_port"`          // on the router
	PublicKey  string   `json:"public_key,omitempty"` // of the router; known when the network is ready
	Subnets    []Subnet `json:"subnets"`              // the peers' own
	MTU        int      `json:"mtu"`
}

// NetworkState of a network.
type NetworkState string

// The states of a network.
const (
	NetworkBuilding NetworkState = "building"
	NetworkReady    NetworkState = "ready"
	NetworkDeleting NetworkState = "deleting"
	NetworkError    NetworkState = "error"
	NetworkUnknown  NetworkState = "unknown" // its provider is unreachable
)

// NewNetwork asks for a network.
type NewNetwork struct {
	Name        string            `json:"name"` // DNS label, fixed after creation
	DisplayName string            `json:"display_name,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Spec        NetworkSpec       `json:"spec"`
}

// Networks is the client of /v1/projects/{project}/networks.
type Networks struct{ t *transport }

// Create accepts a network: its addresses are decided, and it is ready when the operation has succeeded.
func (s *Networks) Create(ctx context.Context, project string, network NewNetwork) (Network, Operation, error) {
	return accept[Network](ctx, s.t, network, "projects", project, "networks")
}

// List returns one page and the cursor of the next.
func (s *Networks) List(ctx context.Context, project string, page Page) ([]Network, string, error) {
	p, err := path("projects", project, "networks")
	if err != nil {
		return nil, "", err
	}
	return getPage[Network](ctx, s.t, p, nil, page)
}

// All walks through every network of a project.
func (s *Networks) All(ctx context.Context, project string) iter.Seq2[Network, error] {
	return all(func(p Page) ([]Network, string, error) { return s.List(ctx, project, p) })
}

// Get returns a network; fault.UnknownResource if there is none.
func (s *Networks) Get(ctx context.Context, project, network string) (Network, error) {
	return get[Network](ctx, s.t, "projects", project, "networks", network)
}

// Delete begins to delete a network; fault.HasChildren while instances or peers are on it.
func (s *Networks) Delete(ctx context.Context, project, network string) (Operation, error) {
	return retire(ctx, s.t, "projects", project, "networks", network)
}
