// SPDX-License-Identifier: Apache-2.0

package core

import "time"

// Network is an isolated segment with its subnets, names and WireGuard endpoint.
type Network struct {
	Meta
	Project string        `json:"project"`
	Spec    NetworkSpec   `json:"spec"`
	Status  NetworkStatus `json:"status"`
}

// NetworkSpec is what was asked. What is left out is chosen when the request is accepted, and stands in the status.
type NetworkSpec struct {
	Fabric    string `json:"fabric,omitempty" description:"Name of the fabric; may be left out if there is one."`
	Router    string `json:"router,omitempty" description:"Id or name of a router, to pin the network to it."`
	IPv4CIDR  string `json:"ipv4_cidr,omitempty" description:"Private range, /16 to /29; a free /24 if left out." examples:"[\"10.20.0.0/24\"]"`
	IPv6CIDR  string `json:"ipv6_cidr,omitempty" description:"A /64; a ULA of the network's own if left out."`
	Egress    string `json:"egress,omitempty" enum:"nat,none" default:"nat"`
	WireGuard *bool  `json:"wireguard,omitempty" description:"Whether peers may be admitted; true if left out and the router has an endpoint."`
}

// NetworkStatus is what is true.
type NetworkStatus struct {
	State      NetworkState     `json:"state" enum:"building,ready,deleting,error,unknown"`
	Message    string           `json:"message,omitempty"`
	Handle     string           `json:"handle" description:"Eight of [a-z0-9]: the network's interfaces on the router are rz_HANDLE and rzw_HANDLE."`
	Fabric     string           `json:"fabric"`
	SegmentID  int              `json:"segment_id" description:"VLAN id."`
	Router     string           `json:"router" description:"Id of the router."`
	Domain     string           `json:"domain" description:"Names are INSTANCE.DOMAIN."`
	MTU        int              `json:"mtu"`
	Subnets    []Subnet         `json:"subnets" nullable:"false"`
	WireGuard  *WireGuardStatus `json:"wireguard,omitempty"`
	Operation  string           `json:"operation,omitempty" description:"Id of the operation that works on it now."`
	ObservedAt *time.Time       `json:"observed_at,omitempty"`
}

// Subnet is a range of a network.
type Subnet struct {
	CIDR    string `json:"cidr"`
	Gateway string `json:"gateway"`
}

// WireGuardStatus is what a peer needs to know of the network's endpoint.
type WireGuardStatus struct {
	Endpoint   string   `json:"endpoint" description:"HOST:PORT as reached from outside."`
	ListenPort int      `json:"listen_port" description:"On the router."`
	PublicKey  string   `json:"public_key,omitempty" description:"Of the router; known when the network is ready."`
	Subnets    []Subnet `json:"subnets" nullable:"false" description:"The peers' own."`
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
