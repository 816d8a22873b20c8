// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// TestPeersComeAndGoAlone adds, changes and removes peers: the device is told of no other one, the network never reloads.
func TestPeersComeAndGoAlone(t *testing.T) {
	p, f, _ := newTest(t)
	applyNetwork(t, p, networkSpec(1))
	for i := range 5 {
		applyPeer(t, p, peerSpec(1, i))
	}
	changed := peerSpec(1, 2)
	changed.Tag, changed.PublicKey = tag(changed.ID, 2), publicKey(1, 99)
	for name, do := range map[string]struct {
		do   func() error
		keys []string
	}{
		"add":    {func() error { _, err := p.ApplyPeer(t.Context(), peerSpec(1, 7), progress); return err }, []string{publicKey(1, 7)}},
		"change": {func() error { _, err := p.ApplyPeer(t.Context(), changed, progress); return err }, []string{publicKey(1, 2), publicKey(1, 99)}},
		"remove": {func() error { return p.DeletePeer(t.Context(), peerSpec(1, 4).ID, progress) }, []string{publicKey(1, 4)}},
		"again":  {func() error { _, err := p.ApplyPeer(t.Context(), peerSpec(1, 1), progress); return err }, nil},
	} {
		f.hook(nil)
		if err := do.do(); err != nil {
			t.Fatalf("%s: %s", name, explain(err))
		}
		var told []string
		for _, c := range f.set {
			if c.ReplacePeers || c.PrivateKey != nil || c.ListenPort != nil {
				t.Errorf("%s: the device as a whole was set", name)
			}
			for _, p := range c.Peers {
				told = append(told, p.PublicKey.String())
			}
		}
		if slices.Sort(told); !slices.Equal(told, do.keys) {
			t.Errorf("%s: the device was told of %v, not of %v", name, told, do.keys)
		}
		if f.count("ubus call network reload") > 0 {
			t.Errorf("%s: the network was reloaded", name)
		}
	}
	device, err := f.Device("rzw_abcdef01")
	if err != nil || len(device.Peers) != 5 {
		t.Errorf("%+v, %v", device, err)
	}
}

func TestCheckRepairsPeers(t *testing.T) {
	p, f, logged := newTest(t)
	applyNetwork(t, p, networkSpec(1))
	applyPeer(t, p, peerSpec(1, 1))
	stranger := wgtypes.Key(bytes.Repeat([]byte{77}, 32))
	owners := wgtypes.Key(bytes.Repeat([]byte{78}, 32))
	f.write(t, "etc/config/network", f.read(t, "etc/config/network")+
		"\nconfig wireguard_rzw_abcdef01\n\toption public_key '"+owners.String()+"'\n\tlist allowed_ips '10.110.1.200/32'\n")
	device := f.devices["rzw_abcdef01"]
	device.Peers = []wgtypes.Peer{{PublicKey: stranger}}

	o, err := p.GetPeer(t.Context(), peerSpec(1, 1).ID)
	if err != nil || o.Phase != provider.PhaseFailed || o.Failure.Reason != fault.Interrupted {
		t.Errorf("a lost peer: %+v, %v", o, err)
	}
	if err := p.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, p := range device.Peers {
		keys = append(keys, p.PublicKey.String())
	}
	slices.Sort(keys)
	if want := []string{publicKey(1, 1), owners.String()}; !slices.Equal(keys, want) {
		t.Errorf("peers %v, want %v", keys, want)
	}
	if o, err := p.GetPeer(t.Context(), peerSpec(1, 1).ID); err != nil || o.Phase != provider.PhaseReady {
		t.Errorf("after the repair: %+v, %v", o, err)
	}
	if !strings.Contains(logged.String(), "not as configured") {
		t.Error("the repair was not logged")
	}
	f.hook(nil)
	if err := p.Check(t.Context()); err != nil || len(f.set) > 0 {
		t.Errorf("a second check changed something: %v, %v", f.set, err)
	}
}

func TestPeersOfATunnelThatIsAway(t *testing.T) {
	p, f, _ := newTest(t)
	applyNetwork(t, p, networkSpec(1))
	applyPeer(t, p, peerSpec(1, 1))
	delete(f.devices, "rzw_abcdef01")
	if o, err := p.GetPeer(t.Context(), peerSpec(1, 1).ID); err != nil || o.Phase != provider.PhaseFailed {
		t.Errorf("%+v, %v", o, err)
	}
	before := f.read(t, "etc/config/network")
	if _, err := p.ApplyPeer(t.Context(), peerSpec(1, 2), progress); fault.ReasonOf(err) != fault.BackendRefused {
		t.Errorf("%v", err)
	}
	if f.read(t, "etc/config/network") != before {
		t.Error("the peer stayed in the configuration")
	}
	if err := p.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
}

func TestPeersThatAreRefused(t *testing.T) {
	p, _, _ := newTest(t)
	applyNetwork(t, p, networkSpec(1))
	dry := networkSpec(2)
	dry.WireGuard = nil
	applyNetwork(t, p, dry)
	applyPeer(t, p, peerSpec(1, 1))
	for name, c := range map[string]struct {
		change func(*provider.PeerSpec)
		reason fault.Reason
		field  string
	}{
		"no such network": {func(s *provider.PeerSpec) { s.NetworkID = "?" }, fault.NoSuchObject, ""},
		"no endpoint":     {func(s *provider.PeerSpec) { s.NetworkID = dry.ID }, fault.BadState, ""},
		"bad key":         {func(s *provider.PeerSpec) { s.PublicKey = "short" }, fault.InvalidField, "/public_key"},
		"key of another":  {func(s *provider.PeerSpec) { s.PublicKey = publicKey(1, 1) }, fault.InvalidField, "/public_key"},
		"no address":      {func(s *provider.PeerSpec) { s.Addresses = nil }, fault.InvalidField, "/addresses"},
		"address outside": {func(s *provider.PeerSpec) { s.Addresses[0] = netip.MustParseAddr("10.100.1.9") }, fault.InvalidField, "/addresses/0"},
		"the router's":    {func(s *provider.PeerSpec) { s.Addresses[1] = netip.MustParseAddr("fd42:cafe:1:1::1") }, fault.InvalidField, "/addresses/1"},
		"of another":      {func(s *provider.PeerSpec) { s.Addresses = peerSpec(1, 1).Addresses[:1] }, fault.InvalidField, "/addresses/0"},
	} {
		spec := peerSpec(1, 5)
		c.change(&spec)
		_, err := p.ApplyPeer(t.Context(), spec, progress)
		refused(t, name, err, c.reason, c.field)
	}
	moved := peerSpec(1, 1)
	moved.NetworkID = dry.ID
	p.router.Load().Endpoint = nil
	_, err := p.ApplyPeer(t.Context(), moved, progress)
	refused(t, "router without endpoint", err, fault.NoEndpoint, "")
}

func refused(t *testing.T, name string, err error, reason fault.Reason, field string) {
	t.Helper()
	f := fault.Of(err)
	switch {
	case fault.ReasonOf(err) != reason:
		t.Errorf("%s: %v, want %s", name, err, reason)
	case field != "" && !slices.ContainsFunc(f.Fields, func(v fault.FieldViolation) bool { return v.Field == field }):
		t.Errorf("%s: fields %v, want %s", name, f.Fields, field)
	}
}
