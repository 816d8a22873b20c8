// SPDX-License-Identifier: Apache-2.0

// Package memory is the reference provider. Its backend is memory, so it needs nothing and does nothing real; else it is
// complete and conformant, and shows how a provider is written. Tests of a core run against it, with faults injected.
//
// The Backend plays the part of libvirtd or of a router: a value of its own, which outlives the provider. A new provider
// over the same backend finds what an earlier one left, finished or not.
package memory

import (
	"context"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Version of the plugin.
const Version = "0.1.0"

// Compute offers the service compute, with all that is optional.
type Compute struct {
	common
	instances
}

// NewCompute returns a provider of instances over b.
func NewCompute(b *Backend) *Compute { return &Compute{common{b}, instances{b}} }

// Network offers the service network, with peers and forwards.
type Network struct {
	common
	networks
}

// NewNetwork returns a provider of networks over b.
func NewNetwork(b *Backend) *Network { return &Network{common{b}, networks{b}} }

// Provider offers both services.
type Provider struct {
	common
	instances
	networks
}

// New returns a provider of instances and networks over b.
func New(b *Backend) *Provider { return &Provider{common{b}, instances{b}, networks{b}} }

// common is what every provider has.
type common struct{ b *Backend }

// Describe implements provider.Provider.
func (c common) Describe() provider.Description {
	return provider.Description{Name: "memory", Version: Version, ConfigSchema: configSchema}
}

// Check implements provider.Provider.
func (c common) Check(ctx context.Context) error { return c.b.begin(ctx, "Check", nil).at("", 0) }

// Watch implements provider.Watcher.
func (c common) Watch(ctx context.Context, changed func(provider.Kind, string)) error {
	if err := c.b.begin(ctx, "Watch", nil).at("", 0); err != nil {
		return err
	}
	defer c.b.listen(changed)()
	<-ctx.Done()
	return ctx.Err()
}

// What each value offers, checked when this package is built.
var (
	_ interface {
		provider.Provider
		provider.Watcher
		provider.Verifier
		provider.Planner
		provider.Instances
		provider.Power
		provider.Images
		provider.Volumes
		provider.Snapshots
		provider.Resize
		provider.Migrate
		provider.Metrics
		provider.Console
		provider.Exec
	} = (*Compute)(nil)
	_ interface {
		provider.Provider
		provider.Watcher
		provider.Verifier
		provider.Planner
		provider.Networks
		provider.Ports
		provider.Peers
		provider.Forwards
	} = (*Network)(nil)
	_ interface {
		provider.Instances
		provider.Networks
	} = (*Provider)(nil)
)
