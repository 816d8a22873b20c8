// SPDX-License-Identifier: Apache-2.0

// Package cloudtest is a cloud without machines, for tests of the use cases: a real store, the real runner, and one
// provider in memory that is strict about what it is told.
package cloudtest

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/operation"
	"github.com/rhyzome/rhyzome/core/store"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Cloud is a store with a runner and a provider.
type Cloud struct {
	Store    *store.Store
	Runner   *operation.Runner
	Provider *Provider // offers everything, under the id of Row
	Row      core.Provider
	Log      *slog.Logger

	t testing.TB
}

// New returns a cloud with an attached provider, and nothing else.
func New(t testing.TB) *Cloud {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "db"), Now, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &Cloud{Store: s, Runner: operation.NewRunner(s, Now, NewID, log), Log: log, t: t}
	c.Row = core.Provider{Meta: c.meta("all"), Status: core.ProviderStatus{
		State: core.ProviderReady, Services: []string{"compute", "network"},
		Capabilities: []string{core.CapabilityImages, core.CapabilityPeers, core.CapabilityPower},
	}}
	c.Provider = newProvider(c.Row.ID)
	c.Update(func(tx core.Tx) error { return tx.Providers().Insert(c.Row) })
	return c
}

// Now is the time, as core.Clock wants it.
func Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// NewID returns a fresh id.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

func (c *Cloud) meta(name string) core.Meta { return core.New{Name: name}.Meta(NewID(), Now) }

// Update changes the store; the test fails if it cannot.
func (c *Cloud) Update(f func(tx core.Tx) error) {
	c.t.Helper()
	if err := c.Store.Update(context.WithoutCancel(c.t.Context()), f); err != nil {
		c.t.Fatal(err)
	}
}

// View reads the store.
func (c *Cloud) View(f func(tx core.Tx) error) {
	c.t.Helper()
	if err := c.Store.View(context.WithoutCancel(c.t.Context()), f); err != nil {
		c.t.Fatal(err)
	}
}

// AddProject adds a project.
func (c *Cloud) AddProject(name string) core.Project {
	c.t.Helper()
	p := core.Project{Meta: c.meta(name)}
	c.Update(func(tx core.Tx) error { return tx.Projects().Insert(p) })
	return p
}

// AddFabric adds a fabric with a range of VLAN ids.
func (c *Cloud) AddFabric(name string, low, high int) core.Fabric {
	c.t.Helper()
	f := core.Fabric{Meta: c.meta(name), Spec: core.FabricSpec{Kind: "vlan", SegmentMin: low, SegmentMax: high}}
	c.Update(func(tx core.Tx) error { return tx.Fabrics().Insert(f) })
	return f
}

// AddRouter adds a router on fabric lab with an endpoint, changed by the functions.
func (c *Cloud) AddRouter(name string, change ...func(*core.Router)) core.Router {
	c.t.Helper()
	r := core.Router{
		Meta: c.meta(name), Provider: c.Row.ID, BackendID: "machine-" + name, Fabrics: []string{"lab"},
		Endpoint: &core.Endpoint{Host: "vpn.example", PortMin: 51820, PortMax: 51829}, MTU: 1500, State: core.PlaceReady,
	}
	for _, f := range change {
		f(&r)
	}
	c.Update(func(tx core.Tx) error { return tx.Routers().Insert(r) })
	return r
}

// AddHost adds a host on fabric lab, large enough for most tests, changed by the functions.
func (c *Cloud) AddHost(name string, change ...func(*core.Host)) core.Host {
	c.t.Helper()
	h := core.Host{
		Meta: c.meta(name), Provider: c.Row.ID, BackendID: "machine-" + name, Fabrics: []string{"lab"}, State: core.PlaceReady,
		Capacity: map[string]int64{provider.UnitVCPUs: 1000, provider.UnitMemoryBytes: 1 << 40, provider.UnitDiskBytes: 1 << 40},
	}
	for _, f := range change {
		f(&h)
	}
	c.Update(func(tx core.Tx) error { return tx.Hosts().Insert(h) })
	return h
}

// AddImage adds an image that is ready. Its content is its own name.
func (c *Cloud) AddImage(p core.Project, name, format string) core.Image {
	c.t.Helper()
	i := core.Image{
		Meta: c.meta(name), Project: p.ID, Spec: core.ImageSpec{Format: format},
		Status: core.ImageStatus{State: core.ImageReady, SHA256: "sha256 of " + name, SizeBytes: int64(len(name)), DiskBytes: 1 << 20},
	}
	c.Update(func(tx core.Tx) error { return tx.Images().Insert(i) })
	return i
}

// Run carries operations out until the test ends.
func (c *Cloud) Run() {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Runner.Run(ctx) }()
	c.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			c.t.Error(err)
		}
	})
}

// Wait returns the operation when it has ended.
func (c *Cloud) Wait(op core.Operation) core.Operation {
	c.t.Helper()
	return c.WaitFor(op, func(o core.Operation) bool { return o.State.Ended() })
}

// WaitFor returns the operation when it is as wanted.
func (c *Cloud) WaitFor(op core.Operation, wanted func(core.Operation) bool) core.Operation {
	c.t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		changed := c.Store.Changed()
		c.View(func(tx core.Tx) (err error) {
			op, err = tx.Operations().Get(op.ID)
			return err
		})
		if wanted(op) {
			return op
		}
		select {
		case <-changed:
		case <-deadline:
			c.t.Fatalf("operation %s is still %s: %s", op.Kind, op.State, op.WaitingFor)
		}
	}
}

// Events returns the types of all events, oldest first.
func (c *Cloud) Events() []string {
	c.t.Helper()
	var types []string
	c.View(func(tx core.Tx) error {
		events, err := tx.Events(0, 1000)
		for _, e := range events {
			types = append(types, e.Type)
		}
		return err
	})
	return types
}
