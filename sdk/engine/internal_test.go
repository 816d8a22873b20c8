// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestFencesForgetTheLowest(t *testing.T) {
	f := newFences(100)
	for i := range uint64(101) {
		if err := f.admit(fmt.Sprint("id-", i), i+1); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.highest) > 100 || len(f.highest) < 70 {
		t.Errorf("%d entries are kept", len(f.highest))
	}
	for _, id := range []string{"id-0", "never seen"} {
		if err := f.admit(id, f.floor-1); fault.ReasonOf(err) != fault.Fenced {
			t.Errorf("%s below the floor of %d: %v", id, f.floor, err)
		}
	}
	if err := f.admit("id-100", 100); fault.ReasonOf(err) != fault.Fenced {
		t.Errorf("a kept entry was forgotten: %v", err)
	}
	if err := f.admit("id-0", 102); err != nil {
		t.Errorf("claimed anew: %v", err)
	}
}

func TestFencesOfOneValue(t *testing.T) {
	f := newFences(10)
	for i := range 100 {
		if err := f.admit(fmt.Sprint("id-", i), 7); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.admit("id-0", 6); fault.ReasonOf(err) != fault.Fenced {
		t.Errorf("lower: %v", err)
	}
}

func TestGates(t *testing.T) {
	g := gates{held: map[string]*gate{}}
	var inside, most int
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			leave, err := g.enter(t.Context(), "a")
			if err != nil {
				t.Error(err)
				return
			}
			inside++
			most = max(most, inside)
			inside--
			leave()
		})
	}
	all.Wait()
	if most != 1 || len(g.held) != 0 {
		t.Errorf("%d were inside at once, %d gates are kept", most, len(g.held))
	}
	leave, err := g.enter(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.enter(ended, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("enter did not give up: %v", err)
	}
	leave()
	if len(g.held) != 0 {
		t.Errorf("%d gates are kept", len(g.held))
	}
}

func TestProgressNeverFalls(t *testing.T) {
	var j job[provider.Port]
	for _, c := range []struct {
		step    string
		percent int
		changed bool
		want    int
	}{
		{"a", -5, true, 0}, {"a", 0, false, 0}, {"a", 40, true, 40}, {"b", 20, true, 40}, {"b", 30, false, 40}, {"b", 1000, true, 100},
	} {
		if changed := j.report(c.step, c.percent); changed != c.changed || j.percent != c.want {
			t.Errorf("report(%q, %d) = %v, %d; want %v, %d", c.step, c.percent, changed, j.percent, c.changed, c.want)
		}
	}
}

const someID = "0198c0de-0000-7000-8000-000000000001"

func goodInstance() provider.InstanceSpec {
	return provider.InstanceSpec{
		Project: "alice", Name: "web", HostID: "h", Kind: provider.InstanceVM, VCPUs: 1, MemoryBytes: 1, Power: provider.PowerRunning,
		Image: provider.ImageRef{SHA256: strings.Repeat("0a", 32), Format: provider.ImageQCOW2, SizeBytes: 1},
		NICs: []provider.NIC{{
			PortID: someID, NetworkID: someID, Fabric: "f", SegmentID: 7, MAC: "52:54:00:12:34:56", MTU: 1500,
			Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")},
		}},
	}
}

func goodNetwork() provider.NetworkSpec {
	subnets := []provider.Subnet{{CIDR: netip.MustParsePrefix("10.0.0.0/24"), Gateway: netip.MustParseAddr("10.0.0.1")}}
	return provider.NetworkSpec{
		Project: "alice", Name: "web", Handle: "a1b2c3d4", RouterID: "r", Fabric: "f", SegmentID: 7, Subnets: subnets,
		Domain: "d", Egress: provider.EgressNone, MTU: 1500,
		WireGuard: &provider.WireGuard{ListenPort: 51820, Subnets: slices.Clone(subnets), MTU: 1420},
	}
}

func goodPort() provider.PortSpec {
	return provider.PortSpec{
		NetworkID: someID, InstanceID: someID, MAC: "52:54:00:12:34:56", Hostname: "web",
		Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")},
	}
}

func goodPeer() provider.PeerSpec {
	return provider.PeerSpec{
		NetworkID: someID, PublicKey: strings.Repeat("A", 43) + "=", Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2")},
	}
}

func goodForward() provider.ForwardSpec {
	return provider.ForwardSpec{
		NetworkID: someID, Protocol: provider.ProtocolTCP, PortMin: 8080, PortMax: 8081,
		TargetAddress: netip.MustParseAddr("10.0.0.2"), TargetPort: 80,
	}
}

func goodVolume() provider.VolumeSpec {
	image := provider.ImageRef{SHA256: strings.Repeat("0a", 32), Format: provider.ImageRaw, SizeBytes: 1}
	return provider.VolumeSpec{Project: "alice", Name: "data", PoolID: "p", SizeBytes: 1, Image: &image, InstanceID: someID}
}

func goodSnapshot() provider.SnapshotSpec {
	return provider.SnapshotSpec{Project: "alice", Name: "before", InstanceID: someID, Memory: true}
}

// spoil is one change that makes a good spec bad, and the fields that must be named then.
type spoil[S any] struct {
	change func(*S)
	fields string
}

func validated[S any](t *testing.T, good func() S, validate func(S) []*fault.Error, spoils []spoil[S]) {
	t.Helper()
	if err := fault.Join(validate(good())...); err != nil {
		t.Errorf("a good %T is refused: %v", good(), err)
	}
	for _, c := range spoils {
		s := good()
		c.change(&s)
		var fields []string
		for _, f := range validate(s) {
			fields = append(fields, f.Fields[0].Field)
		}
		if got := strings.Join(fields, " "); got != c.fields {
			t.Errorf("%T: fields %q, want %q", s, got, c.fields)
		}
	}
}

func TestValidation(t *testing.T) {
	validated(t, goodInstance, validateInstance, []spoil[provider.InstanceSpec]{
		{func(s *provider.InstanceSpec) { s.Project, s.Name = "Alice", "-" }, "/project /name"},
		{func(s *provider.InstanceSpec) { s.HostID, s.VCPUs, s.MemoryBytes = "", 0, 0 }, "/host_id /vcpus /memory_bytes"},
		{func(s *provider.InstanceSpec) { s.DiskBytes = -1 }, "/disk_bytes"},
		{func(s *provider.InstanceSpec) { s.Power = "" }, "/power"},
		{func(s *provider.InstanceSpec) { s.Kind = "" }, "/kind"},
		{func(s *provider.InstanceSpec) { s.CommandLine, s.Initrd = "x", &s.Image }, "/command_line /initrd"},
		{func(s *provider.InstanceSpec) { s.Kind = provider.InstanceUnikernel }, "/image/format"},
		{func(s *provider.InstanceSpec) { s.Image = provider.ImageRef{SHA256: "0A"} }, "/image/sha256 /image/format /image/size_bytes"},
		{func(s *provider.InstanceSpec) { s.NICs[0] = provider.NIC{} },
			"/nics/0/port_id /nics/0/network_id /nics/0/fabric /nics/0/mac /nics/0/mtu"},
		{func(s *provider.InstanceSpec) { s.NICs[0].MAC = "53:54:00:12:34:56" }, "/nics/0/mac"},
		{func(s *provider.InstanceSpec) { s.NICs[0].MAC = "52-54-00-12-34-56" }, "/nics/0/mac"},
		{func(s *provider.InstanceSpec) { s.NICs[0].Addresses[1] = s.NICs[0].Addresses[0] }, "/nics/0/addresses/1"},
		{func(s *provider.InstanceSpec) { s.NICs[0].Addresses[0] = netip.MustParseAddr("fe80::1%eth0") }, "/nics/0/addresses/0"},
		{func(s *provider.InstanceSpec) { s.NICs[0].SegmentID = 1 << 24 }, "/nics/0/segment_id"},
	})
	validated(t, goodNetwork, validateNetwork, []spoil[provider.NetworkSpec]{
		{func(s *provider.NetworkSpec) { s.Handle = "A1b2c3d4" }, "/handle"},
		{func(s *provider.NetworkSpec) { s.RouterID, s.Fabric, s.Domain = "", "", "" }, "/router_id /fabric /domain"},
		{func(s *provider.NetworkSpec) { s.Subnets[0].CIDR = netip.MustParsePrefix("10.0.0.1/24") }, "/subnets/0/cidr"},
		{func(s *provider.NetworkSpec) { s.Subnets[0].Gateway = netip.MustParseAddr("10.0.1.1") }, "/subnets/0/gateway"},
		{func(s *provider.NetworkSpec) { s.Subnets[0] = provider.Subnet{} }, "/subnets/0/cidr /subnets/0/gateway"},
		{func(s *provider.NetworkSpec) { s.Egress, s.MTU = "all", 0 }, "/egress /mtu"},
		{func(s *provider.NetworkSpec) { s.WireGuard.ListenPort, s.WireGuard.MTU = 0, 1 }, "/wireguard/listen_port /wireguard/mtu"},
		{func(s *provider.NetworkSpec) { s.WireGuard.Subnets[0] = provider.Subnet{} },
			"/wireguard/subnets/0/cidr /wireguard/subnets/0/gateway"},
	})
	validated(t, goodPort, validatePort, []spoil[provider.PortSpec]{
		{func(s *provider.PortSpec) { s.NetworkID, s.InstanceID = "x", strings.ToUpper(someID) }, "/network_id /instance_id"},
		{func(s *provider.PortSpec) { s.MAC, s.Hostname = "", "a.b" }, "/mac /hostname"},
		{func(s *provider.PortSpec) { s.Addresses[1] = netip.MustParseAddr("10.0.0.3") }, "/addresses"},
	})
	validated(t, goodPeer, validatePeer, []spoil[provider.PeerSpec]{
		{func(s *provider.PeerSpec) { s.NetworkID, s.PublicKey, s.Addresses = "", "AAAA", nil }, "/network_id /public_key /addresses"},
	})
	validated(t, goodForward, validateForward, []spoil[provider.ForwardSpec]{
		{func(s *provider.ForwardSpec) { s.NetworkID = "" }, "/network_id"},
		{func(s *provider.ForwardSpec) { s.Protocol = "sctp" }, "/protocol"},
		{func(s *provider.ForwardSpec) { s.PortMin = 0 }, "/port_min"},
		{func(s *provider.ForwardSpec) { s.PortMax = s.PortMin - 1 }, "/port_max"},
		{func(s *provider.ForwardSpec) { s.TargetAddress = netip.Addr{} }, "/target_address"},
		{func(s *provider.ForwardSpec) { s.TargetPort = 65535 }, "/target_port"},
	})
	validated(t, goodVolume, validateVolume, []spoil[provider.VolumeSpec]{
		{func(s *provider.VolumeSpec) { s.Project, s.Name, s.PoolID = "Alice", "", "" }, "/project /name /pool_id"},
		{func(s *provider.VolumeSpec) { s.SizeBytes, s.InstanceID = 0, "x" }, "/size_bytes /instance_id"},
		{func(s *provider.VolumeSpec) { s.Image.Format = provider.ImageKernel }, "/image/format"},
	})
	validated(t, goodVolume, func(s provider.VolumeSpec) []*fault.Error {
		return changeVolume(provider.Volume{PoolID: "p", SizeBytes: 1}, s)
	}, []spoil[provider.VolumeSpec]{
		{func(s *provider.VolumeSpec) { s.SizeBytes, s.PoolID = 0, "q" }, "/size_bytes /pool_id"},
	})
	validated(t, goodSnapshot, func(s provider.SnapshotSpec) []*fault.Error { return validateSnapshot(s, false) },
		[]spoil[provider.SnapshotSpec]{
			{func(s *provider.SnapshotSpec) { s.Project, s.Name, s.InstanceID = "", "", "" }, "/project /name /instance_id"},
			{func(s *provider.SnapshotSpec) { s.VolumeID = someID }, "/volume_id /instance_id /memory"},
		})
	validated(t, goodSnapshot, func(s provider.SnapshotSpec) []*fault.Error {
		return changeSnapshot(provider.Snapshot{InstanceID: someID, Memory: true}, s)
	}, []spoil[provider.SnapshotSpec]{
		{func(s *provider.SnapshotSpec) { s.InstanceID, s.VolumeID, s.Memory = "", someID, false }, "/instance_id /volume_id /memory"},
	})
	validated(t, func() provider.Tag { return provider.Tag{ID: someID, Generation: 1, SpecDigest: "x"} }, validateTag, []spoil[provider.Tag]{
		{func(t *provider.Tag) { *t = provider.Tag{} }, "/id /generation /spec_digest"},
		{func(t *provider.Tag) { t.BackendHandle = make([]byte, maxHandle+1) }, "/backend_handle"},
	})
}

func FuzzMerge(f *testing.F) {
	f.Add(`{"a":{"b":["x"]}}`, "/a/b/0")
	f.Add(`{"a~b":{"c/d":1}}`, "/a~0b/c~1d")
	f.Add(`[]`, "")
	f.Fuzz(func(t *testing.T, config, pointer string) {
		whole, err := merge(config, map[string][]byte{pointer: []byte("hush-hush")})
		if err != nil {
			if fault.ReasonOf(err) != fault.InvalidField {
				t.Errorf("merge(%q, %q): %v", config, pointer, err)
			}
			return
		}
		var object map[string]any
		if err := json.Unmarshal(whole, &object); err != nil || !strings.Contains(string(whole), "hush-hush") {
			t.Errorf("merge(%q, %q) = %s, %v", config, pointer, whole, err)
		}
	})
}
