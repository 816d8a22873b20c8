// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"crypto/rand"
	"errors"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/cloudtest"
	"github.com/rhyzome/rhyzome/core/network"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// world is a cloud with the use cases of networks, project alice, fabric lab (100 to 109) and router rt.
type world struct {
	*cloudtest.Cloud
	*network.Service
	t      testing.TB
	alice  core.Project
	router core.Router
}

func newWorld(t testing.TB, change ...func(*core.Router)) *world {
	t.Helper()
	return newWorldWith(t, rand.Reader, change...)
}

func newWorldWith(t testing.TB, random io.Reader, change ...func(*core.Router)) *world {
	t.Helper()
	c := cloudtest.New(t)
	w := &world{Cloud: c, t: t, Service: network.New(c.Store, c.Provider, c.Runner, cloudtest.Now, cloudtest.NewID, random)}
	c.Runner.Register(w.Plans()...)
	w.alice = c.AddProject("alice")
	c.AddFabric("lab", 100, 109)
	w.router = c.AddRouter("rt", change...)
	return w
}

// network makes a network and waits for it.
func (w *world) network(name string, spec core.NetworkSpec) core.Network {
	w.t.Helper()
	_, op, err := w.Create(w.t.Context(), "alice", core.New{Name: name}, spec)
	if err != nil {
		w.t.Fatal(err)
	}
	if op = w.Wait(op); op.State != core.OperationSucceeded {
		w.t.Fatalf("operation %s: %+v", op.State, op.Error)
	}
	n, err := w.Get(w.t.Context(), "alice", name)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func noEndpoint(r *core.Router) { r.Endpoint = nil }

func TestCreateChoosesEverything(t *testing.T) {
	w := newWorld(t)
	w.Run()
	n, op, err := w.Create(t.Context(), "alice", core.New{Name: "lan"}, core.NetworkSpec{})
	if err != nil {
		t.Fatal(err)
	}
	st := n.Status
	if st.State != core.NetworkBuilding || st.Operation != op.ID || op.State != core.OperationPending {
		t.Errorf("status = %+v, operation = %+v", st, op)
	}
	if !regexp.MustCompile(`^[a-z0-9]{8}$`).MatchString(st.Handle) {
		t.Errorf("handle = %q", st.Handle)
	}
	if st.SegmentID != 100 || st.Router != w.router.ID || st.Fabric != "lab" || st.MTU != 1500 || st.Domain != "lan.alice.rhyzome.internal" {
		t.Errorf("status = %+v", st)
	}
	if st.Subnets[0] != (core.Subnet{CIDR: "10.128.0.0/24", Gateway: "10.128.0.1"}) {
		t.Errorf("v4 = %+v", st.Subnets[0])
	}
	v6 := netip.MustParsePrefix(st.Subnets[1].CIDR)
	if v6.Bits() != 64 || v6.Addr().As16()[0] != 0xfd || st.Subnets[1].Gateway != v6.Addr().Next().String() {
		t.Errorf("v6 = %+v", st.Subnets[1])
	}
	wg := st.WireGuard
	if wg == nil || wg.Endpoint != "vpn.example:51820" || wg.ListenPort != 51820 || wg.MTU != 1420 || wg.Subnets[0].CIDR != "100.64.0.0/24" {
		t.Fatalf("wireguard = %+v", wg)
	}
	if t6 := netip.MustParsePrefix(wg.Subnets[1].CIDR); t6 == v6 || netip.PrefixFrom(t6.Addr(), 48).Masked() != netip.PrefixFrom(v6.Addr(), 48).Masked() {
		t.Errorf("tunnel %s is not another /64 of the /48 of %s", t6, v6)
	}

	if op = w.Wait(op); op.State != core.OperationSucceeded {
		t.Fatalf("operation = %+v", op)
	}
	n, err = w.Get(t.Context(), "alice", n.ID)
	if err != nil || n.Status.State != core.NetworkReady || n.Status.WireGuard.PublicKey != cloudtest.PublicKey || n.Status.Operation != "" {
		t.Errorf("network = %+v, %v", n.Status, err)
	}
	spec, ok := w.Provider.NetworkSpec(n.ID)
	if !ok || spec.RouterID != "machine-rt" || spec.Project != "alice" || spec.Egress != provider.EgressNAT || spec.Generation != 1 ||
		len(spec.Subnets) != 2 || spec.Subnets[1].CIDR != v6 || spec.WireGuard.ListenPort != 51820 {
		t.Errorf("spec = %+v", spec)
	}
}

func TestCreateGivesEachItsOwn(t *testing.T) {
	w := newWorld(t)
	w.Run()
	seen := map[string]string{}
	unique := func(what, value, name string) {
		if other, ok := seen[what+value]; ok {
			t.Errorf("%s and %s have the same %s %s", other, name, what, value)
		}
		seen[what+value] = name
	}
	for _, name := range []string{"a", "b", "c"} {
		n := w.network(name, core.NetworkSpec{})
		unique("handle", n.Status.Handle, name)
		unique("segment", string(rune(n.Status.SegmentID)), name)
		unique("port", n.Status.WireGuard.Endpoint, name)
		for _, s := range slices.Concat(n.Status.Subnets, n.Status.WireGuard.Subnets) {
			unique("subnet", s.CIDR, name)
		}
	}
	// What was given back is given again, but the handle.
	gone, err := w.Get(t.Context(), "alice", "b")
	if err != nil {
		t.Fatal(err)
	}
	op, err := w.Delete(t.Context(), "alice", "b")
	if err != nil {
		t.Fatal(err)
	}
	if op = w.Wait(op); op.State != core.OperationSucceeded {
		t.Fatalf("delete: %+v", op)
	}
	n := w.network("d", core.NetworkSpec{})
	if n.Status.SegmentID != gone.Status.SegmentID || n.Status.Subnets[0] != gone.Status.Subnets[0] || n.Status.WireGuard.ListenPort != gone.Status.WireGuard.ListenPort {
		t.Errorf("d got %+v, want what b had: %+v", n.Status, gone.Status)
	}
	if n.Status.Handle == gone.Status.Handle {
		t.Error("the handle was used again")
	}
}

func TestCreateRefuses(t *testing.T) {
	w := newWorld(t)
	w.Run()
	w.network("taken", core.NetworkSpec{IPv4CIDR: "10.20.0.0/16", IPv6CIDR: "fd00:1:2:3::/64"})
	yes := true
	for name, c := range map[string]struct {
		project, name string
		spec          core.NetworkSpec
		reason        fault.Reason
		says          string
	}{
		"unknown project":  {"carol", "x", core.NetworkSpec{}, fault.UnknownResource, "carol"},
		"taken name":       {"alice", "taken", core.NetworkSpec{}, fault.NameTaken, "name"},
		"bad name":         {"alice", "X_", core.NetworkSpec{}, fault.InvalidField, "/name"},
		"no range":         {"alice", "x", core.NetworkSpec{IPv4CIDR: "10.0.0.0"}, fault.InvalidField, "10.20.0.0/24"},
		"v6 as v4":         {"alice", "x", core.NetworkSpec{IPv4CIDR: "fd00::/64"}, fault.InvalidField, "/spec/ipv4_cidr"},
		"host bits":        {"alice", "x", core.NetworkSpec{IPv4CIDR: "10.30.0.7/24"}, fault.InvalidField, "use 10.30.0.0/24"},
		"public":           {"alice", "x", core.NetworkSpec{IPv4CIDR: "8.8.8.0/24"}, fault.InvalidField, "not private"},
		"too large":        {"alice", "x", core.NetworkSpec{IPv4CIDR: "10.0.0.0/15"}, fault.InvalidField, "/16 to /29"},
		"too small":        {"alice", "x", core.NetworkSpec{IPv4CIDR: "10.0.0.0/30"}, fault.InvalidField, "/16 to /29"},
		"v6 host bits":     {"alice", "x", core.NetworkSpec{IPv6CIDR: "fd00::1/64"}, fault.InvalidField, "use fd00::/64"},
		"v6 size":          {"alice", "x", core.NetworkSpec{IPv6CIDR: "fd00::/56"}, fault.InvalidField, "use /64"},
		"v6 global":        {"alice", "x", core.NetworkSpec{IPv6CIDR: "2001:db8::/64"}, fault.InvalidField, "fd00::/8"},
		"v4 in v6":         {"alice", "x", core.NetworkSpec{IPv6CIDR: "::ffff:10.0.0.0/120"}, fault.InvalidField, "/spec/ipv6_cidr"},
		"egress":           {"alice", "x", core.NetworkSpec{Egress: "all"}, fault.InvalidField, "/spec/egress"},
		"unknown fabric":   {"alice", "x", core.NetworkSpec{Fabric: "moon"}, fault.InvalidField, "/spec/fabric"},
		"unknown router":   {"alice", "x", core.NetworkSpec{Router: "moon"}, fault.InvalidField, "/spec/router"},
		"overlap inside":   {"alice", "x", core.NetworkSpec{IPv4CIDR: "10.20.7.0/24"}, fault.CIDROverlaps, "10.20.0.0/16"},
		"overlap, pinned":  {"alice", "x", core.NetworkSpec{IPv4CIDR: "10.20.7.0/24", Router: "rt"}, fault.CIDROverlaps, "10.20.0.0/16"},
		"overlap of v6":    {"alice", "x", core.NetworkSpec{IPv6CIDR: "fd00:1:2:3::/64"}, fault.CIDROverlaps, "fd00:1:2:3::/64"},
		"all told at once": {"alice", "X_", core.NetworkSpec{IPv4CIDR: "x", Egress: "y", Fabric: "z", Router: "q"}, fault.InvalidField, "/spec/router"},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.Provider.Has()
			_, _, err := w.Create(t.Context(), c.project, core.New{Name: c.name}, c.spec)
			if fault.ReasonOf(err) != c.reason || !strings.Contains(err.Error(), c.says) {
				t.Errorf("fault %s: %v; want %s saying %q", fault.ReasonOf(err), err, c.reason, c.says)
			}
			if name == "all told at once" && len(fault.Of(err).Fields) != 5 {
				t.Errorf("fields = %v, want 5", fault.Of(err).Fields)
			}
			if !slices.Equal(before, w.Provider.Has()) {
				t.Error("something was made")
			}
		})
	}
	t.Run("no endpoint", func(t *testing.T) {
		w := newWorld(t, noEndpoint)
		if _, _, err := w.Create(t.Context(), "alice", core.New{Name: "x"}, core.NetworkSpec{WireGuard: &yes}); fault.ReasonOf(err) != fault.NoEndpoint {
			t.Errorf("fault = %v, want no_endpoint", err)
		}
	})
	t.Run("two fabrics", func(t *testing.T) {
		w := newWorld(t)
		w.AddFabric("other", 1, 2)
		if _, _, err := w.Create(t.Context(), "alice", core.New{Name: "x"}, core.NetworkSpec{}); fault.ReasonOf(err) != fault.InvalidField || !strings.Contains(err.Error(), "lab, other") {
			t.Errorf("fault = %v, want one that names both", err)
		}
	})
}

func TestCreateRunsOut(t *testing.T) {
	few := func(r *core.Router) {
		r.Endpoint = &core.Endpoint{Host: "fd00::1", PortMin: 7000, PortMax: 7000, OutsidePortMin: 17000}
		r.MTU = 1400
	}
	w := newWorld(t, few)
	w.Run()
	n := w.network("first", core.NetworkSpec{})
	if wg := n.Status.WireGuard; wg.Endpoint != "[fd00::1]:17000" || wg.ListenPort != 7000 || wg.MTU != 1320 || n.Status.MTU != 1400 {
		t.Errorf("wireguard = %+v, mtu %d", wg, n.Status.MTU)
	}
	if _, _, err := w.Create(t.Context(), "alice", core.New{Name: "x"}, core.NetworkSpec{}); fault.ReasonOf(err) != fault.PortsExhausted {
		t.Errorf("fault = %v, want wireguard_ports_exhausted", err)
	}
	no := false
	for i := range 9 {
		n := w.network("n"+string(rune('a'+i)), core.NetworkSpec{WireGuard: &no})
		if n.Status.WireGuard != nil {
			t.Errorf("%s has WireGuard", n.Name)
		}
	}
	if _, _, err := w.Create(t.Context(), "alice", core.New{Name: "x"}, core.NetworkSpec{WireGuard: &no}); fault.ReasonOf(err) != fault.SegmentsExhausted {
		t.Errorf("fault = %v, want segments_exhausted", err)
	}
}

func TestFailedCreateHoldsNothing(t *testing.T) {
	w := newWorld(t)
	w.Run()
	refused := fault.New(fault.BackendRefused, "the router said no")
	w.Provider.SetFail(func(verb, _ string) error {
		if verb == "apply network" {
			return refused
		}
		return nil
	})
	_, op, err := w.Create(t.Context(), "alice", core.New{Name: "bad"}, core.NetworkSpec{IPv4CIDR: "10.9.0.0/24"})
	if err != nil {
		t.Fatal(err)
	}
	if op = w.Wait(op); op.State != core.OperationFailed {
		t.Fatalf("operation = %+v", op)
	}
	n, err := w.Get(t.Context(), "alice", "bad")
	if err != nil || n.Status.State != core.NetworkError || n.Status.Message != refused.Message || n.Status.SegmentID != 0 || len(n.Status.Subnets) != 0 {
		t.Errorf("network = %+v, %v", n.Status, err)
	}
	w.Provider.SetFail(nil)
	if n := w.network("good", core.NetworkSpec{IPv4CIDR: "10.9.0.0/24"}); n.Status.SegmentID != 100 || n.Status.WireGuard.ListenPort != 51820 {
		t.Errorf("what the failed one had was not given back: %+v", n.Status)
	}
	// The row can be deleted without its router.
	w.Provider.SetAway(true)
	if op, err = w.Delete(t.Context(), "alice", "bad"); err != nil {
		t.Fatal(err)
	}
	if op = w.Wait(op); op.State != core.OperationSucceeded {
		t.Errorf("operation = %+v", op)
	}
	if _, err := w.Get(t.Context(), "alice", "bad"); fault.ReasonOf(err) != fault.UnknownResource {
		t.Errorf("the row is still there: %v", err)
	}
}

// What was not removed may still be on the router: nobody else gets its VLAN and its range.
func TestAbandonedDeleteKeepsWhatItHolds(t *testing.T) {
	w := newWorld(t)
	w.Run()
	first := w.network("first", core.NetworkSpec{})
	w.Provider.SetAway(true)
	op, err := w.Delete(t.Context(), "alice", "first")
	if err != nil {
		t.Fatal(err)
	}
	w.WaitFor(op, func(op core.Operation) bool { return op.State == core.OperationWaiting })
	if _, err := w.Runner.Abandon(t.Context(), op.ID); err != nil {
		t.Fatal(err)
	}
	n, err := w.Get(t.Context(), "alice", "first")
	if err != nil || n.Status.State != core.NetworkError || n.Status.SegmentID != first.Status.SegmentID || n.Status.Operation != "" {
		t.Errorf("after abandoning: %+v, %v", n.Status, err)
	}
	w.Provider.SetAway(false)
	second := w.network("second", core.NetworkSpec{})
	if second.Status.SegmentID == first.Status.SegmentID || second.Status.Subnets[0].CIDR == first.Status.Subnets[0].CIDR {
		t.Errorf("the second has the first one's: %+v", second.Status)
	}
	if op, err = w.Delete(t.Context(), "alice", "first"); err != nil {
		t.Fatal(err)
	}
	if op = w.Wait(op); op.State != core.OperationSucceeded {
		t.Errorf("deleted again: %+v", op)
	}
}

func TestUnusableKeyFails(t *testing.T) {
	w := newWorld(t)
	w.Run()
	w.Provider.SetPublicKey("no key")
	_, op, err := w.Create(t.Context(), "alice", core.New{Name: "lan"}, core.NetworkSpec{})
	if err != nil {
		t.Fatal(err)
	}
	if op = w.Wait(op); op.State != core.OperationFailed || op.Error.Code != string(fault.BackendRefused) {
		t.Errorf("operation = %+v", op)
	}
	if has := w.Provider.Has(); len(has) != 0 {
		t.Errorf("left behind: %v", has)
	}
}

func TestWaitsForItsProvider(t *testing.T) {
	w := newWorld(t)
	w.Run()
	w.Provider.SetAway(true)
	_, op, err := w.Create(t.Context(), "alice", core.New{Name: "lan"}, core.NetworkSpec{})
	if err != nil {
		t.Fatal(err)
	}
	op = w.WaitFor(op, func(o core.Operation) bool { return o.State == core.OperationWaiting })
	if !strings.Contains(op.WaitingFor, "not attached") {
		t.Errorf("waits for %q", op.WaitingFor)
	}
	if _, err := w.Delete(t.Context(), "alice", "lan"); fault.ReasonOf(err) != fault.ResourceBusy {
		t.Errorf("fault = %v, want resource_busy", err)
	}
	w.Provider.SetAway(false)
	w.Runner.Wake()
	if op = w.Wait(op); op.State != core.OperationSucceeded {
		t.Errorf("operation = %+v", op)
	}
}

func TestRedraw(t *testing.T) {
	taken := fault.New(fault.NameTaken, "the MAC is taken").With("column", "mac")
	calls := 0
	err := network.Redraw(func() error {
		if calls++; calls < 3 {
			return taken
		}
		return nil
	})
	if err != nil || calls != 3 {
		t.Errorf("%d calls, %v", calls, err)
	}
	calls = 0
	if err := network.Redraw(func() error { calls++; return taken }); !errors.Is(err, taken) || calls > 100 {
		t.Errorf("%d calls, %v; want to give up", calls, err)
	}
	calls = 0
	other := fault.New(fault.NameTaken, "the name is taken").With("column", "name")
	if err := network.Redraw(func() error { calls++; return other }); !errors.Is(err, other) || calls != 1 {
		t.Errorf("%d calls, %v; want one", calls, err)
	}
}
