// SPDX-License-Identifier: Apache-2.0

// Package attach carries the contract between a provider on another machine and the core, through NAT.
//
// The provider dials the core's one attach port with TLS 1.3 and its certificate. One frame goes each way: Hello says
// who comes and which versions of the contract it speaks, Welcome names the version chosen or says why not. From then
// on the connection is plain HTTP/2 with the roles reversed: the core is the gRPC client, the provider serves. Bulk
// data goes over a second connection of the same form, so that an upload does not slow the calls down.
//
// A Dialer is the provider's end, Accept the core's. Where a cloud has several cores, the Dialer keeps a session with
// each: they share what is served, and their fences come from one counter.
package attach

import (
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// The protocols of the attach port, told apart by ALPN.
const (
	ProtocolProvider = "rhyzome-provider/1" // frames, then HTTP/2 with the roles reversed
	ProtocolData     = "rhyzome-data/1"     // the same, for bulk data
	ProtocolCore     = "h2"                 // what a provider asks of the core: ordinary gRPC
	ProtocolJoin     = "rhyzome-join/1"     // enrolment: ordinary gRPC, the only one without a client certificate
)

// ServerName is the DNS name in every core's certificate. A cloud's CA signs it for cores alone, so a core may be
// reached at any address.
const ServerName = "core.rhyzome.internal"

// Limits of a connection.
const (
	maxFrame         = 64 << 10
	maxMessage       = 16 << 20
	connectTimeout   = 4 * time.Second // below backoffCap: where packets vanish, an attempt begins every 5 s all the same
	handshakeTimeout = 10 * time.Second
	keepaliveTime    = 10 * time.Second // grpc-go's least for a client
	keepaliveTimeout = 5 * time.Second
	userTimeout      = 10 * time.Second // TCP_USER_TIMEOUT: unacknowledged data ends a connection
)

// Negotiate returns the highest version of the contract that both ends speak; VersionMismatch if there is none.
func Negotiate(core, provider []int) (int, error) {
	best := 0
	for _, v := range provider {
		if v > best && slices.Contains(core, v) {
			best = v
		}
	}
	if best == 0 {
		return 0, fault.New(fault.VersionMismatch,
			"no contract version in common: the core speaks %v, the provider %v; upgrade the older of the two", core, provider)
	}
	return best, nil
}

// ServerOptions are what a provider's gRPC server needs to be called by a core, also as a local child: without the
// enforcement policy grpc-go ends a connection after 30 s of keepalive pings.
// With debug it does not find out that the core is away: it would take itself for that, when it was stopped for a while.
func ServerOptions(debug bool) []grpc.ServerOption {
	options := []grpc.ServerOption{
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 2 * time.Second, PermitWithoutStream: true}),
		grpc.MaxRecvMsgSize(maxMessage),
	}
	if debug {
		return options
	}
	return append(options, grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}))
}

// ClientOptions are what the core needs to call a provider's gRPC server. With debug it waits for as long as it takes.
func ClientOptions(debug bool) []grpc.DialOption {
	options := []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithIdleTimeout(0),
	}
	if debug {
		return append(options, WithoutDeadlines()...)
	}
	return append(options, grpc.WithKeepaliveParams(keepalive.ClientParameters{
		Time: keepaliveTime, Timeout: keepaliveTimeout, PermitWithoutStream: true,
	}))
}
