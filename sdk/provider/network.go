// SPDX-License-Identifier: Apache-2.0

package provider

import "net/netip"

// Egress says what may leave a network.
type Egress string

// The kinds of egress.
const (
	EgressNone Egress = "none"
	EgressNAT  Egress = "nat" // translated behind the router's own address
)

// NetworkSpec is everything that a provider needs to make a network.
type NetworkSpec struct {
	Tag
	Project   string // DNS label, for comments
	Name      string // DNS label
	Handle    string // eight of [a-z0-9], unique in the cloud, never reused: interfaces rz_HANDLE and rzw_HANDLE
	RouterID  string // from ListRouters
	Fabric    string
	SegmentID int // VLAN id on a vlan fabric
	Subnets   []Subnet
	Domain    string // "NETWORK.PROJECT.rhyzome.internal"
	Egress    Egress
	MTU       int        // bytes
	WireGuard *WireGuard // nil for no endpoint
}

// Subnet is a range of addresses, with the router's address in it.
type Subnet struct {
	CIDR    netip.Prefix
	Gateway netip.Addr
}

// WireGuard is a network's endpoint for peers. Its private key is made on the router and never leaves it.
type WireGuard struct {
	ListenPort int
	Subnets    []Subnet // the peers' own
	MTU        int
}

// Network is what the backend says about a network.
type Network struct {
	Observed
	WireGuardPublicKey string // base64, 44 characters; empty without an endpoint
}

// Router is a machine that carries networks.
type Router struct {
	ID                string // stable, the machine's own
	Name              string
	Fabrics           []string
	Endpoint          *Endpoint // nil: peers cannot be created here
	DelegatedPrefixes []netip.Prefix
	MTU               int
	MaxNetworks       int // 0 for no limit
	Labels            map[string]string
}

// Endpoint is where peers reach a router from outside.
type Endpoint struct {
	Host           string // DNS name or address
	PortMin        int    // WireGuard ports on the router, inclusive
	PortMax        int
	OutsidePortMin int // the outside port that PortMin is reached at, where a NAT changes it; 0 for the same
}

// OutsidePort returns the port that peers dial for a port on the router.
func (e Endpoint) OutsidePort(port int) int {
	if e.OutsidePortMin == 0 {
		return port
	}
	return port - e.PortMin + e.OutsidePortMin
}

// PortSpec is one attachment of an instance to a network, as the router sees it: a fixed lease and a name.
type PortSpec struct {
	Tag
	NetworkID  string
	InstanceID string
	MAC        string
	Addresses  []netip.Addr // at most one v4 and one v6
	Hostname   string       // DNS label; the name is HOSTNAME.DOMAIN
}

// Port is what the backend says about a port.
type Port struct {
	Observed
	NetworkID string
}

// PeerSpec is a remote WireGuard endpoint admitted to a network.
type PeerSpec struct {
	Tag
	NetworkID string
	PublicKey string       // base64, 44 characters
	Addresses []netip.Addr // on the tunnel; nothing else is accepted from the peer
}

// Peer is what the backend says about a peer.
type Peer struct {
	Observed
	NetworkID     string
	LastHandshake int64 // Unix seconds, 0 for never
	ReceivedBytes int64
	SentBytes     int64
}
