// SPDX-License-Identifier: Apache-2.0

package inventory_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/cloudtest"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestInstanceFollows(t *testing.T) {
	ready, failed := provider.PhaseReady, provider.PhaseFailed
	for name, c := range map[string]struct {
		state      core.InstanceState
		operation  string
		generation int64 // of the row
		phase      provider.Phase
		power      provider.PowerState // observed, in generation 1
		want       core.InstanceState
		wantPower  string
	}{
		"shut itself down":           {core.InstanceRunning, "", 1, ready, provider.PowerStopped, core.InstanceStopped, "stopped"},
		"was started":                {core.InstanceStopped, "", 1, ready, provider.PowerRunning, core.InstanceRunning, "running"},
		"is back":                    {core.InstanceUnknown, "", 1, ready, provider.PowerStopped, core.InstanceStopped, "stopped"},
		"is being made":              {core.InstanceBuilding, "op", 1, ready, provider.PowerRunning, core.InstanceBuilding, "running"},
		"is being deleted":           {core.InstanceDeleting, "op", 1, ready, provider.PowerStopped, core.InstanceDeleting, "stopped"},
		"failed to be made":          {core.InstanceError, "", 1, ready, provider.PowerRunning, core.InstanceError, "running"},
		"late word before a start":   {core.InstanceStopped, "op", 2, ready, provider.PowerStopped, core.InstanceStopped, ""},
		"half made":                  {core.InstanceRunning, "", 1, failed, "", core.InstanceUnknown, ""},
		"half made, worked on":       {core.InstanceRunning, "op", 1, failed, "", core.InstanceRunning, ""},
		"progress is not news":       {core.InstanceRunning, "op", 1, provider.PhaseProgressing, provider.PowerStopped, core.InstanceRunning, ""},
		"an old generation, settled": {core.InstanceRunning, "", 2, ready, provider.PowerStopped, core.InstanceStopped, "stopped"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			i := w.instance
			i.Generation = c.generation
			i.Status.State, i.Status.Operation, i.Status.Power = c.state, c.operation, ""
			w.Update(func(tx core.Tx) error { return tx.Instances().Update(i) })
			o := provider.Instance{Observed: provider.Observed{Tag: provider.Tag{ID: i.ID, Generation: 1}, Phase: c.phase}, Power: c.power}
			if c.phase == failed {
				o.Failure = fault.New(fault.Interrupted, "half made")
			}
			w.observe(core.Change{Instance: &o})
			w.View(func(tx core.Tx) error {
				got, err := tx.Instances().Get(i.ID)
				if got.Status.State != c.want || got.Status.Power != c.wantPower || got.Status.ObservedAt == nil {
					t.Errorf("status = %+v, want %s, power %q", got.Status, c.want, c.wantPower)
				}
				return err
			})
		})
	}
}

func TestRemoved(t *testing.T) {
	for name, c := range map[string]struct {
		kind provider.Kind
		want string
	}{
		"instance": {provider.KindInstance, "ready ready ready ready ready unknown"},
		"network":  {provider.KindNetwork, "ready ready ready unknown ready running"},
		"peer":     {provider.KindPeer, "ready ready ready ready unknown running"},
		"port":     {provider.KindPort, wellStates},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ids := map[provider.Kind]string{
				provider.KindInstance: w.instance.ID, provider.KindNetwork: w.network.ID,
				provider.KindPeer: w.peer.ID, provider.KindPort: w.port.ID,
			}
			w.observe(core.Change{Removed: &core.Removed{Kind: c.kind, ID: ids[c.kind]}})
			w.want(c.want)
			w.observe(core.Change{Removed: &core.Removed{Kind: c.kind, ID: cloudtest.NewID()}})
		})
	}
}

func TestRouterWithANewKey(t *testing.T) {
	w := newWorld(t)
	const other = "BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	o := w.snapshot().Networks[0]
	for _, key := range []string{strings.Repeat("A", 30) + " # no key here", other} {
		o.WireGuardPublicKey = key // what is none is not believed
		w.observe(core.Change{Network: &o})
	}
	w.View(func(tx core.Tx) error {
		n, err := tx.Networks().Get(w.network.ID)
		if n.Status.WireGuard.PublicKey != other {
			t.Errorf("key = %s", n.Status.WireGuard.PublicKey)
		}
		return err
	})
	if w.count("network.updated") != 1 {
		t.Errorf("events = %v", w.Events())
	}
}

// The same observation again is not written, until it is old.
func TestNoNewsIsNotWritten(t *testing.T) {
	w := newWorld(t)
	observed := func() (at time.Time) {
		w.View(func(tx core.Tx) error {
			i, err := tx.Instances().Get(w.instance.ID)
			at = *i.Status.ObservedAt
			return err
		})
		return at
	}
	again := core.Change{Instance: &w.snapshot().Instances[0]}
	w.observe(again)
	first := observed()
	w.at = w.at.Add(30 * time.Second)
	w.observe(again)
	if !observed().Equal(first) {
		t.Error("no news was written")
	}
	w.at = w.at.Add(31 * time.Second)
	w.observe(again)
	if observed().Equal(first) {
		t.Error("an old observation was not renewed")
	}
	if w.count("instance.updated") != 0 {
		t.Errorf("events = %v", w.Events())
	}
}

func TestPlacesKeepTheirRows(t *testing.T) {
	w := newWorld(t)
	h := w.host
	h.Cordoned, h.Allocated = true, map[string]int64{"vcpus": 3}
	w.Update(func(tx core.Tx) error { return tx.Hosts().Update(h) })
	s := w.snapshot()
	s.Hosts[0].Name, s.Hosts[0].Architecture = "renamed", "x86_64"
	s.Routers[0].Endpoint = &provider.Endpoint{Host: "vpn.example", PortMin: 5, PortMax: 6, OutsidePortMin: 7}
	w.attach(s)
	w.View(func(tx core.Tx) error {
		got, err := tx.Hosts().Get(h.ID)
		if err != nil {
			return err
		}
		if got.Name != "hv1" || !got.Cordoned || got.Allocated["vcpus"] != 3 || got.Capacity["vcpus"] != 8 || got.Architecture != "x86_64" || got.ObservedAt == nil {
			t.Errorf("host = %+v", got)
		}
		r, err := tx.Routers().Get(w.router.ID)
		if r.Endpoint == nil || *r.Endpoint != (core.Endpoint{Host: "vpn.example", PortMin: 5, PortMax: 6, OutsidePortMin: 7}) {
			t.Errorf("router = %+v", r)
		}
		return err
	})
}

func TestNewPlacesGetNames(t *testing.T) {
	w := newWorld(t)
	s := w.snapshot()
	want := map[string]string{
		"machine-hv1": "hv1",
		"m1":          "node1",
		"m2":          "node1-2",
		"m3":          "host-9lives",
		"m4":          "host",
		"m5":          "my-big-server",
	}
	s.Hosts = append(s.Hosts, []provider.Host{
		{ID: "m1", Name: "Node1.example.org"}, {ID: "m2", Name: "node1"}, {ID: "m3", Name: "9lives"},
		{ID: "m4", Name: "日本"}, {ID: "m5", Name: "my_big server"},
	}...)
	w.attach(s)
	w.attach(s)
	w.View(func(tx core.Tx) error {
		hosts, err := tx.Hosts().Find(core.Query{Parent: w.Row.ID})
		for _, h := range hosts {
			if h.Name != want[h.BackendID] || h.State != core.PlaceReady {
				t.Errorf("host %s is named %s, want %s", h.BackendID, h.Name, want[h.BackendID])
			}
		}
		if len(hosts) != len(want) {
			t.Errorf("%d hosts, want %d", len(hosts), len(want))
		}
		return err
	})
	if got := w.count("host.created"); got != 5 {
		t.Errorf("%d events for new hosts, want 5", got)
	}
}
