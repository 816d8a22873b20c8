// SPDX-License-Identifier: Apache-2.0

// Package probe measures a network from inside: leases, names, packets and flows, as guests and the world see them. A
// probe is a small program that runs where it measures, in a network namespace, on a guest or anywhere on the outside; Start starts it
// there, by whatever command leads there, and asks it over its standard input and output. Package agent is the program.
//
// A probe needs Linux and the right to open raw sockets and to set addresses: in general, root. It leaves nothing behind
// when it ends.
package probe

import (
	"net/netip"
	"time"
)

// Lease is what DHCP and the router's advertisement gave an interface.
type Lease struct {
	IPv4     netip.Prefix // not valid: no server answered
	Router   netip.Addr   // the default route of DHCPv4, if any
	Servers  []netip.Addr // name servers, of both families
	Domain   string
	IPv6     netip.Addr // not valid: no server answered
	RouterV6 netip.Addr // link-local address of the router that advertised itself, if any
	OnLink   []netip.Prefix
	// Autonomous prefixes are those that guests are told to make addresses in by themselves.
	Autonomous []netip.Prefix
}

// AcquireArgs says who asks for a lease.
type AcquireArgs struct {
	Interface string
	MAC       string // another than the interface's, to ask as somebody else; the lease is then not used
	Patience  time.Duration
}

// Address is an interface with what it is to have.
type Address struct {
	Interface string
	Addresses []netip.Prefix
	Gateways  []netip.Addr // default routes; one a family
}

// Route leads a range through a neighbour.
type Route struct {
	Interface string
	To        netip.Prefix
	Via       netip.Addr
}

// Link is an interface as it is.
type Link struct {
	MAC string
	MTU int
}

// Question is a name to ask one server for.
type Question struct {
	Server netip.Addr
	Name   string // fully qualified
}

// Answer of a server.
type Answer struct {
	Addresses []netip.Addr
	Silent    bool // no server answered at all
}

// Target is a service that a probe offers, or one to be called.
type Target struct {
	Network string         // "tcp" or "udp"
	Address netip.AddrPort // to be called; only the port to offer
}

// Met is what a caller learns of the service that answered.
type Met struct {
	Token string         // of the service: who answered
	From  netip.AddrPort // the caller, as the service saw it
}

// Flow is a connection that is kept busy.
type Flow struct {
	Exchanged int           // messages that came back
	Pause     time.Duration // the longest time between two of them, up to now
	Broken    string        // why the connection ended; empty while it lives
}

// Tunnel is a WireGuard interface of the probe's own.
type Tunnel struct {
	PrivateKey string // base64, as the peer's key
	Peer       string // the endpoint's public key
	Endpoint   netip.AddrPort
	Addresses  []netip.Addr
	Allowed    []netip.Prefix
	MTU        int
}

// Service is the name that the probe's methods are called by.
const Service = "Probe"

const (
	// HoldPatience is how long a connection that is to be held may take to come up.
	HoldPatience = 10 * time.Second
	// LookupPatience is how long a name server may take.
	LookupPatience = 6 * time.Second
)

// PingArgs is an address to be asked for an echo.
type PingArgs struct {
	Address  netip.Addr
	Patience time.Duration
}

// CallArgs is a service to be called.
type CallArgs struct {
	Target   Target
	Patience time.Duration
}
