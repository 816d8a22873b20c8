// SPDX-License-Identifier: Apache-2.0

package inventory_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/cloudtest"
	"github.com/rhyzome/rhyzome/core/inventory"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// world is a cloud with an inventory, a network with a peer on router rt, and an instance on host hv1. at is the time.
type world struct {
	*cloudtest.Cloud
	*inventory.Inventory
	t        *testing.T
	at       time.Time
	wakes    int
	host     core.Host
	router   core.Router
	network  core.Network
	peer     core.Peer
	port     core.Port
	instance core.Instance
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Cloud: cloudtest.New(t), t: t, at: cloudtest.Now()}
	w.Inventory = inventory.New(w.Store, func() { w.wakes++ }, func() time.Time { return w.at }, cloudtest.NewID, w.Log)
	alice := w.AddProject("alice")
	w.AddFabric("lab", 1, 2)
	w.host, w.router = w.AddHost("hv1"), w.AddRouter("rt")
	head := func(name string) core.Meta { return core.New{Name: name}.Meta(cloudtest.NewID(), cloudtest.Now) }
	w.network = core.Network{Meta: head("lan"), Project: alice.ID, Status: core.NetworkStatus{
		State: core.NetworkReady, Router: w.router.ID, Handle: "aaaaaaaa", Fabric: "lab", SegmentID: 1,
		WireGuard: &core.WireGuardStatus{ListenPort: 1, PublicKey: cloudtest.PublicKey},
	}}
	w.peer = core.Peer{Meta: head("laptop"), Project: alice.ID, Network: w.network.ID, Status: core.PeerStatus{
		State: core.PeerReady, Addresses: []string{"100.64.0.2"},
	}}
	w.instance = core.Instance{Meta: head("web"), Project: alice.ID, Status: core.InstanceStatus{
		State: core.InstanceRunning, Host: w.host.ID, Power: "running",
	}}
	w.port = core.Port{ID: cloudtest.NewID(), Network: w.network.ID, Instance: w.instance.ID, MAC: "52:54:00:00:00:01"}
	w.Update(func(tx core.Tx) error {
		if err := tx.Networks().Insert(w.network); err != nil {
			return err
		}
		if err := tx.Peers().Insert(w.peer); err != nil {
			return err
		}
		if err := tx.Ports().Insert(w.port); err != nil {
			return err
		}
		return tx.Instances().Insert(w.instance)
	})
	return w
}

// snapshot is what the provider has when all is well.
func (w *world) snapshot() core.Snapshot {
	seen := func(id string) provider.Observed {
		return provider.Observed{Tag: provider.Tag{ID: id, Generation: 1}, Phase: provider.PhaseReady}
	}
	return core.Snapshot{
		Hosts:     []provider.Host{{ID: "machine-hv1", Name: "hv1", Fabrics: []string{"lab"}, Capacity: map[string]int64{"vcpus": 8}}},
		Routers:   []provider.Router{{ID: "machine-rt", Name: "rt", Fabrics: []string{"lab"}, MTU: 1500}},
		Networks:  []provider.Network{{Observed: seen(w.network.ID), WireGuardPublicKey: cloudtest.PublicKey}},
		Ports:     []provider.Port{{Observed: seen(w.port.ID), NetworkID: w.network.ID}},
		Peers:     []provider.Peer{{Observed: seen(w.peer.ID), NetworkID: w.network.ID}},
		Instances: []provider.Instance{{Observed: seen(w.instance.ID), Power: provider.PowerRunning, HostID: "machine-hv1"}},
	}
}

func (w *world) attach(s core.Snapshot) {
	w.t.Helper()
	info := core.ProviderInfo{Plugin: "test", Version: "1", Services: []string{"compute", "network"}, Capabilities: []string{"images"}, Address: "192.0.2.1"}
	if err := w.Attached(w.t.Context(), w.Row.ID, info, s); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) detach() {
	w.t.Helper()
	if err := w.Detached(w.t.Context(), w.Row.ID, "silent", false); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) observe(c core.Change) {
	w.t.Helper()
	if err := w.Observed(w.t.Context(), w.Row.ID, c); err != nil {
		w.t.Fatal(err)
	}
}

// states of provider, host, router, network, peer, instance.
func (w *world) states() string {
	w.t.Helper()
	var all []string
	w.View(func(tx core.Tx) error {
		p, err := tx.Providers().Get(w.Row.ID)
		if err != nil {
			return err
		}
		h, err := tx.Hosts().Get(w.host.ID)
		if err != nil {
			return err
		}
		r, err := tx.Routers().Get(w.router.ID)
		if err != nil {
			return err
		}
		n, err := tx.Networks().Get(w.network.ID)
		if err != nil {
			return err
		}
		peer, err := tx.Peers().Get(w.peer.ID)
		if err != nil {
			return err
		}
		i, err := tx.Instances().Get(w.instance.ID)
		all = []string{string(p.Status.State), h.State, r.State, string(n.Status.State), string(peer.Status.State), string(i.Status.State)}
		return err
	})
	return strings.Join(all, " ")
}

const (
	wellStates = "ready ready ready ready ready running"
	lostStates = "unreachable unreachable unreachable unknown unknown unknown"
)

func (w *world) want(states string) {
	w.t.Helper()
	if got := w.states(); got != states {
		w.t.Errorf("states are %q, want %q", got, states)
	}
}

func (w *world) count(eventType string) int {
	w.t.Helper()
	n := 0
	for _, e := range w.Events() {
		if e == eventType {
			n++
		}
	}
	return n
}

func TestDetachAndComeBack(t *testing.T) {
	w := newWorld(t)
	w.attach(w.snapshot())
	w.want(wellStates)
	w.detach()
	w.want(lostStates)
	w.detach()
	w.attach(w.snapshot())
	w.want(wellStates)
	if got := w.count("orphan"); got != 0 {
		t.Errorf("%d orphans", got)
	}
	var p core.Provider
	w.View(func(tx core.Tx) (err error) {
		p, err = tx.Providers().Get(w.Row.ID)
		return err
	})
	if st := p.Status; st.Plugin != "test" || st.AttachedAt == nil || !slices.Equal(st.Capabilities, []string{"images"}) || st.Address != "192.0.2.1" {
		t.Errorf("provider = %+v", st)
	}
}

func TestMissingAtAttach(t *testing.T) {
	w := newWorld(t)
	s := w.snapshot()
	s.Instances, s.Networks, s.Peers = nil, nil, nil
	w.attach(s)
	w.want("ready ready ready unknown unknown unknown")
	s = w.snapshot()
	s.Hosts, s.Routers = nil, nil
	w.attach(s)
	if got := strings.Fields(w.states())[:3]; strings.Join(got, " ") != "ready unreachable unreachable" {
		t.Errorf("places that are not listed any more are %v", got)
	}
}

func TestOrphans(t *testing.T) {
	w := newWorld(t)
	s := w.snapshot()
	ghost := provider.Observed{Tag: provider.Tag{ID: cloudtest.NewID(), Generation: 1}, Phase: provider.PhaseReady, BackendRef: "rz-ghost"}
	s.Instances = append(s.Instances, provider.Instance{Observed: ghost, Power: provider.PowerRunning})
	undone := w.instance
	undone.ID, undone.Name, undone.Status = cloudtest.NewID(), "undone", core.InstanceStatus{State: core.InstanceError}
	w.Update(func(tx core.Tx) error { return tx.Instances().Insert(undone) })
	left := ghost
	left.ID = undone.ID
	s.Instances = append(s.Instances, provider.Instance{Observed: left})
	port := ghost
	port.ID = cloudtest.NewID()
	s.Ports = append(s.Ports, provider.Port{Observed: port})
	w.attach(s)
	if got := w.count("orphan"); got != 3 {
		t.Errorf("%d orphans, want 3", got)
	}
	w.attach(s)
	if got := w.count("orphan"); got != 3 {
		t.Errorf("%d orphans after the second attach, want the same 3", got)
	}
	// A single change about something unknown may be the last word on what was just deleted.
	w.observe(core.Change{Instance: &provider.Instance{Observed: provider.Observed{Tag: provider.Tag{ID: cloudtest.NewID()}}}})
	if got := w.count("orphan"); got != 3 {
		t.Errorf("a change made it %d orphans", got)
	}
	w.want(wellStates)
}

// What a provider says about an object on another provider changes nothing.
func TestForeignIsIgnored(t *testing.T) {
	w := newWorld(t)
	w.attach(w.snapshot())
	liar := core.Provider{Meta: core.New{Name: "liar"}.Meta(cloudtest.NewID(), cloudtest.Now)}
	w.Update(func(tx core.Tx) error { return tx.Providers().Insert(liar) })
	s := w.snapshot()
	s.Hosts, s.Routers = nil, nil
	s.Instances[0].Power = provider.PowerStopped
	s.Networks[0].WireGuardPublicKey = "BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	s.Peers[0].Phase = provider.PhaseFailed
	if err := w.Attached(t.Context(), liar.ID, core.ProviderInfo{}, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Observed(t.Context(), liar.ID, core.Change{Removed: &core.Removed{Kind: provider.KindInstance, ID: w.instance.ID}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Detached(t.Context(), liar.ID, "gone", false); err != nil {
		t.Fatal(err)
	}
	w.want(wellStates)
	if got := w.count("orphan"); got != 0 {
		t.Errorf("%d orphans", got)
	}
	w.View(func(tx core.Tx) error {
		n, err := tx.Networks().Get(w.network.ID)
		if n.Status.WireGuard.PublicKey != cloudtest.PublicKey {
			t.Error("another provider changed the network's key")
		}
		return err
	})
}

func TestSeen(t *testing.T) {
	w := newWorld(t)
	w.attach(w.snapshot())
	seen := func() (p core.Provider) {
		w.View(func(tx core.Tx) (err error) {
			p, err = tx.Providers().Get(w.Row.ID)
			return err
		})
		return p
	}
	first := *seen().Status.SeenAt
	beat := func(after time.Duration, state core.ProviderState, message string) {
		t.Helper()
		w.at = w.at.Add(after)
		if err := w.Seen(t.Context(), w.Row.ID, state, message); err != nil {
			t.Fatal(err)
		}
	}
	beat(time.Second, core.ProviderReady, "")
	if !seen().Status.SeenAt.Equal(first) {
		t.Error("a heartbeat without news was written")
	}
	beat(10*time.Second, core.ProviderReady, "")
	if seen().Status.SeenAt.Equal(first) {
		t.Error("a heartbeat was not written for eleven seconds")
	}
	beat(time.Second, core.ProviderDegraded, "libvirtd is down")
	if p := seen(); p.Status.State != core.ProviderDegraded || p.Status.Message != "libvirtd is down" {
		t.Errorf("status = %+v", p.Status)
	}
	wakes := w.wakes
	beat(time.Second, core.ProviderReady, "")
	if w.wakes != wakes+1 || w.count("provider.degraded") != 1 || w.count("provider.ready") != 1 {
		t.Errorf("woken %d times, events %v", w.wakes-wakes, w.Events())
	}
	last := *seen().Status.SeenAt
	beat(time.Second, core.ProviderUnreachable, "no handshake yet")
	if p := seen(); p.Status.Message != "no handshake yet" || !p.Status.SeenAt.Equal(last) {
		t.Errorf("one that is not there: %+v", p.Status)
	}
}

func TestRevokedStaysRevoked(t *testing.T) {
	w := newWorld(t)
	w.Row.Status.State = core.ProviderRevoked
	w.Update(func(tx core.Tx) error { return tx.Providers().Update(w.Row) })
	if err := w.Attached(t.Context(), w.Row.ID, core.ProviderInfo{}, w.snapshot()); fault.ReasonOf(err) != fault.ProviderRevoked {
		t.Errorf("Attached = %v, want provider_revoked", err)
	}
	if err := w.Seen(t.Context(), w.Row.ID, core.ProviderReady, ""); err != nil {
		t.Fatal(err)
	}
	w.detach()
	if got := strings.Fields(w.states())[0]; got != "revoked" {
		t.Errorf("state = %s", got)
	}
}
