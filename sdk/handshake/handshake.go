// SPDX-License-Identifier: Apache-2.0

// Package handshake holds what a provider and whoever starts it must agree on before they speak the contract: go-plugin's
// magic cookie, the protocol version and the name of the one plugin in the set.
package handshake

import (
	"context"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/rhyzome/rhyzome/sdk/wire"
)

// ProtocolVersion is the major version of the contract: the 1 of the package rhyzome.provider.v1.
const ProtocolVersion = 1

// Name of the plugin in its set.
const Name = "provider"

// DebugVariable tells a program, when it is true, that a debugger may stop it: it must not be impatient. Whoever starts it
// is not either.
const DebugVariable = "RHYZOME_DEBUG"

// Config is go-plugin's handshake. The cookie is no secret: it tells a start by a core from a start by hand.
func Config() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{
		ProtocolVersion:  ProtocolVersion,
		MagicCookieKey:   "RHYZOME_PROVIDER",
		MagicCookieValue: "3f1c8f0d5b7e4f0c9a4d2b6e8c7a1f35",
	}
}

// Registrar puts its services on a gRPC server. *engine.Engine is one.
type Registrar interface {
	Register(s grpc.ServiceRegistrar)
}

// Plugins returns the plugins of each protocol version. A provider gives its engine; a client gives nil, and dispenses a
// *wire.Client by Name.
func Plugins(r Registrar) map[int]plugin.PluginSet {
	return map[int]plugin.PluginSet{ProtocolVersion: {Name: &contract{registrar: r}}}
}

// contract adapts the contract to go-plugin.
type contract struct {
	plugin.NetRPCUnsupportedPlugin
	registrar Registrar
}

// GRPCServer implements plugin.GRPCPlugin on the provider's side.
func (c *contract) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	c.registrar.Register(s)
	return nil
}

// GRPCClient implements plugin.GRPCPlugin on the side of the core.
func (c *contract) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, cc *grpc.ClientConn) (any, error) {
	return wire.NewClient(cc), nil
}

var _ plugin.GRPCPlugin = (*contract)(nil)
