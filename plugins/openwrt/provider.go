// SPDX-License-Identifier: Apache-2.0

// Package openwrt makes networks on an OpenWrt router, on which it runs.
//
// A network is a set of sections in /etc/config/network, dhcp and firewall (names.go tells their names), applied by
// OpenWrt's own services: so it comes back after a restart of the router without this provider and without the core.
// Ids, generations and digests are options of those sections; nothing is kept in memory that a new process would need.
// What the router's owner wrote is never touched, not even its formatting (package uci).
//
// Every change is a transaction (transaction.go): it is undone when it fails, also by the next process after a crash.
// Success is not believed but seen: interfaces up with their addresses (ubus), peers in the WireGuard device, names
// answered by the network's own resolver.
package openwrt

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync/atomic"

	"github.com/google/uuid"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Version is set by the linker.
var Version = "dev"

// Provider implements provider.Provider, and with it Networks, Ports and Peers.
type Provider struct {
	machine machine
	queue   *queue
	router  atomic.Pointer[router] // nil before the first Configure
}

// machine is everything outside this process that the provider uses.
type machine struct {
	run    runner
	wg     wireGuard
	names  resolver
	newID  func() string
	newKey func() (wgtypes.Key, error)
	log    *slog.Logger // nil for slog.Default() at the time of Configure
	root   string       // in front of OpenWrt's own paths; empty but in tests
}

// router is the machine under one configuration.
type router struct {
	machine
	config
	places
}

// New returns a provider. It does nothing before Configure.
func New() *Provider {
	return newProvider(machine{
		run: commands{}, wg: liveWireGuard{}, names: dnsClient{},
		newID: uuid.NewString, newKey: wgtypes.GeneratePrivateKey,
	})
}

func newProvider(m machine) *Provider { return &Provider{machine: m, queue: newQueue()} }

// Describe implements provider.Provider.
func (p *Provider) Describe() provider.Description {
	return provider.Description{Name: "openwrt", Version: Version, ConfigSchema: configSchema}
}

// Configure implements provider.Provider. Work that runs goes on with the settings that it began with.
func (p *Provider) Configure(_ context.Context, text json.RawMessage) error {
	c, err := parseConfig(text)
	if err != nil {
		return err
	}
	r := &router{machine: p.machine, config: c, places: placesOf(p.machine.root, c.Paths)}
	if r.log == nil {
		r.log = slog.Default()
	}
	if err := r.completeIdentity(); err != nil {
		return err
	}
	p.router.Store(r)
	return nil
}

// Check implements provider.Provider. It is called every few seconds, and so it also repairs what drifts: see upkeep.
func (p *Provider) Check(ctx context.Context) error {
	r, err := p.configured()
	if err != nil {
		return err
	}
	live, err := r.interfaces(ctx)
	if err != nil {
		return err
	}
	p.upkeep(ctx, r, live)
	return nil
}

func (p *Provider) configured() (*router, error) {
	r := p.router.Load()
	if r == nil {
		return nil, fault.New(fault.NotConfigured, "the openwrt provider has not been configured yet")
	}
	return r, nil
}
