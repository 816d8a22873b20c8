// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"context"
	"net/netip"
)

// Protocol of a forward.
type Protocol string

// The protocols.
const (
	ProtocolTCP Protocol = "tcp"
	ProtocolUDP Protocol = "udp"
)

// ForwardSpec leads ports of the router's outside to an address of a network.
type ForwardSpec struct {
	Tag
	NetworkID     string
	Protocol      Protocol
	PortMin       int // on the router's outside, inclusive
	PortMax       int
	TargetAddress netip.Addr // of the network
	TargetPort    int        // for PortMin; the others follow in their order
}

// Forward is what the backend says about a forward.
type Forward struct {
	Observed
	NetworkID string
}

// Forwards is the capability "forwards", of network. When one comes or goes, the flows of the others go on.
type Forwards interface {
	// ApplyForward opens the ports; fault.ForeignConflict if one of them is in use with that protocol,
	// fault.InvalidField if the target is not of the network, fault.NoSuchObject without the network.
	ApplyForward(ctx context.Context, spec ForwardSpec, progress Progress) (Forward, error)
	GetForward(ctx context.Context, id string) (Forward, error)
	DeleteForward(ctx context.Context, id string, progress Progress) error
	ListForwards(ctx context.Context) ([]Forward, error)
}
