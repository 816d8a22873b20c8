// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestNetworksThatAreRefused(t *testing.T) {
	p, f, _ := newTest(t)
	applyNetwork(t, p, networkSpec(1))
	f.write(t, "etc/config/network", f.read(t, "etc/config/network")+
		"\nconfig interface 'guest'\n\toption device 'br-rz.150'\n\nconfig interface 'vpn'\n\toption listen_port '51850'\n")
	before := f.state(t)
	pick := netip.MustParsePrefix
	for name, c := range map[string]struct {
		change func(*provider.NetworkSpec)
		reason fault.Reason
		field  string
	}{
		"fabric":            {func(s *provider.NetworkSpec) { s.Fabric = "?" }, fault.InvalidField, "/fabric"},
		"router":            {func(s *provider.NetworkSpec) { s.RouterID = "?" }, fault.InvalidField, "/router_id"},
		"handle":            {func(s *provider.NetworkSpec) { s.Handle = "x" }, fault.InvalidField, "/handle"},
		"no VLAN":           {func(s *provider.NetworkSpec) { s.SegmentID = 0 }, fault.InvalidField, "/segment_id"},
		"large VLAN":        {func(s *provider.NetworkSpec) { s.SegmentID = 4095 }, fault.InvalidField, "/segment_id"},
		"MTU":               {func(s *provider.NetworkSpec) { s.MTU = 9000 }, fault.InvalidField, "/mtu"},
		"gateway outside":   {func(s *provider.NetworkSpec) { s.Subnets[0].Gateway = netip.MustParseAddr("10.1.1.1") }, fault.InvalidField, "/subnets/0/gateway"},
		"IPv6 only":         {func(s *provider.NetworkSpec) { s.Subnets = s.Subnets[1:] }, fault.InvalidField, "/subnets"},
		"two IPv4":          {func(s *provider.NetworkSpec) { s.Subnets[1] = subnet("10.101.%d.0/24", 2) }, fault.InvalidField, "/subnets/1"},
		"no /64":            {func(s *provider.NetworkSpec) { s.Subnets[1].CIDR = pick("fd42:cafe:2::/80") }, fault.InvalidField, "/subnets/1/cidr"},
		"WireGuard port":    {func(s *provider.NetworkSpec) { s.WireGuard.ListenPort = 1 }, fault.InvalidField, "/wireguard/listen_port"},
		"WireGuard subnets": {func(s *provider.NetworkSpec) { s.WireGuard.Subnets = nil }, fault.InvalidField, "/wireguard/subnets"},
		"VLAN of ours":      {func(s *provider.NetworkSpec) { s.SegmentID = 121 }, fault.ForeignConflict, ""},
		"VLAN of the owner": {func(s *provider.NetworkSpec) { s.SegmentID = 150 }, fault.ForeignConflict, ""},
		"port of ours":      {func(s *provider.NetworkSpec) { s.WireGuard.ListenPort = 51821 }, fault.ForeignConflict, ""},
		"port of the owner": {func(s *provider.NetworkSpec) { s.WireGuard.ListenPort = 51850 }, fault.ForeignConflict, ""},
		"handle of another": {func(s *provider.NetworkSpec) { s.Handle = networkSpec(1).Handle }, fault.ForeignConflict, ""},
		"range of ours":     {func(s *provider.NetworkSpec) { s.Subnets[0] = subnet("10.100.%d.0/25", 1) }, fault.CIDROverlaps, ""},
		"range of a tunnel": {func(s *provider.NetworkSpec) { s.Subnets[0] = subnet("10.110.%d.0/24", 1) }, fault.CIDROverlaps, ""},
		"range of the WAN":  {func(s *provider.NetworkSpec) { s.Subnets[0] = subnet("203.0.%d.0/24", 113) }, fault.CIDROverlaps, ""},
		"range of its own":  {func(s *provider.NetworkSpec) { s.WireGuard.Subnets[0] = s.Subnets[0] }, fault.CIDROverlaps, ""},
		"injection":         {func(s *provider.NetworkSpec) { s.Domain = "a'\n\nconfig rule" }, fault.InvalidField, ""},
	} {
		spec := networkSpec(2)
		c.change(&spec)
		_, err := p.ApplyNetwork(t.Context(), spec, progress)
		refused(t, name, err, c.reason, c.field)
	}
	for name, change := range map[string]func(*provider.NetworkSpec){
		"/handle": func(s *provider.NetworkSpec) { s.Handle = "other123" },
		"/domain": func(s *provider.NetworkSpec) { s.Domain = "other.alice.rhyzome.internal" },
	} {
		spec := networkSpec(1)
		change(&spec)
		_, err := p.ApplyNetwork(t.Context(), spec, progress)
		refused(t, "changed "+name, err, fault.InvalidField, name)
	}
	if f.state(t) != before {
		t.Error("a refusal left something")
	}
}

// TestAnOwnersFirewallThatWouldLeak refuses where our sections would not do what they say.
func TestAnOwnersFirewallThatWouldLeak(t *testing.T) {
	for name, edit := range map[string][2]string{
		"forwards by default": {"option forward		REJECT\n#", "option forward ACCEPT\n#"},
		"no wan":              {"option name		wan", "option name internet"},
		"does not masquerade": {"option masq		1", "option masq 0"},
		"cannot be read":      {"config forwarding\n", "config forwarding 'x\n"},
	} {
		p, f, _ := newTest(t)
		text := strings.Replace(owners(t, fileFirewall), edit[0]+"\n", edit[1]+"\n", 1)
		if name == "forwards by default" || name == "cannot be read" {
			text = strings.Replace(owners(t, fileFirewall), edit[0], edit[1], 1)
		}
		f.write(t, "etc/config/firewall", text)
		_, err := p.ApplyNetwork(t.Context(), networkSpec(1), progress)
		refused(t, name, err, fault.BackendRefused, "")
		if f.read(t, "etc/config/firewall") != text || f.read(t, "etc/config/network") != owners(t, fileNetwork) {
			t.Errorf("%s: the files changed", name)
		}
	}
}

func TestLimits(t *testing.T) {
	p, _, _ := newTest(t)
	p.router.Load().MaxNetworks = 1
	applyNetwork(t, p, networkSpec(1))
	_, err := p.ApplyNetwork(t.Context(), networkSpec(2), progress)
	refused(t, "one too many", err, fault.NoCapacity, "")
	applyNetwork(t, p, networkSpec(1))
}

// TestTheKeyStays keeps a tunnel's private key across changes, on the router, and out of every word.
func TestTheKeyStays(t *testing.T) {
	p, f, logged := newTest(t)
	first := applyNetwork(t, p, networkSpec(1))
	changed := networkSpec(1)
	changed.Tag, changed.WireGuard.ListenPort = tag(changed.ID, 2), 51900
	second := applyNetwork(t, p, changed)
	if first.WireGuardPublicKey == "" || first.WireGuardPublicKey != second.WireGuardPublicKey {
		t.Errorf("public keys %q, %q", first.WireGuardPublicKey, second.WireGuardPublicKey)
	}
	private := f.devices["rzw_abcdef01"].PrivateKey.String()
	info, err := os.Stat(f.path("etc/config/network"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	answer, err := json.Marshal(second)
	if err != nil || strings.Contains(string(answer), private) || strings.Contains(logged.String(), private) {
		t.Errorf("the key is told: %v", err)
	}
	dry := networkSpec(1)
	dry.Tag, dry.WireGuard = tag(dry.ID, 3), nil
	if n := applyNetwork(t, p, dry); n.WireGuardPublicKey != "" || len(f.devices) != 0 {
		t.Errorf("the tunnel is still there: %+v", n)
	}
}

// TestModes writes the VLAN as each mode says.
func TestModes(t *testing.T) {
	for fabric, want := range map[string][]string{
		"lab":  {"option name 'br-rz'", "list ports 'eth2:t'", "option device 'br-rz.121'"},
		"old":  {"option name 'rz-abcdef01'", "option type 'bridge'", "list ports 'eth3.121'", "option device 'rz-abcdef01'"},
		"mine": {"option device 'br-own.121'"},
	} {
		p, f, _ := newTest(t)
		spec := networkSpec(1)
		spec.Fabric = fabric
		applyNetwork(t, p, spec)
		text := f.read(t, "etc/config/network")
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q is missing in\n%s", fabric, w, text)
			}
		}
		if fabric == "mine" && strings.Contains(text, "_device") {
			t.Error("the provider made what the owner has prepared")
		}
		remove(t, fabric, p.DeleteNetwork(t.Context(), spec.ID, progress))
	}
}

func TestTheOwnersBridgeIsNotTaken(t *testing.T) {
	p, f, _ := newTest(t)
	f.write(t, "etc/config/network", owners(t, fileNetwork)+"\nconfig device\n\toption name 'br-rz'\n")
	_, err := p.ApplyNetwork(t.Context(), networkSpec(1), progress)
	refused(t, "bridge", err, fault.ForeignConflict, "")
}

// TestTheTrunkGoesWithItsLastNetwork keeps a fabric's bridge as long as it carries something.
func TestTheTrunkGoesWithItsLastNetwork(t *testing.T) {
	p, f, _ := newTest(t)
	for n := 1; n <= 2; n++ {
		applyNetwork(t, p, networkSpec(n))
	}
	for n := 1; n <= 2; n++ {
		if !strings.Contains(f.read(t, "etc/config/network"), "rz_trunk_") {
			t.Errorf("the bridge is gone before network %d", n)
		}
		remove(t, "network", p.DeleteNetwork(t.Context(), networkSpec(n).ID, progress))
	}
}

// TestANetworkThatIsDownIsSeen reports what netifd says.
func TestANetworkThatIsDownIsSeen(t *testing.T) {
	p, f, _ := newTest(t)
	applyNetwork(t, p, networkSpec(1))
	for name, change := range map[string]func(){
		"NO_DEVICE": func() {
			f.live["rz_abcdef01"] = netInterface{Name: "rz_abcdef01", Errors: []netError{{Code: "NO_DEVICE"}}}
		},
		"rzw_abcdef01":   func() { delete(f.live, "rzw_abcdef01") },
		"no address 10.": func() { f.live["rz_abcdef01"] = netInterface{Name: "rz_abcdef01", Up: true} },
	} {
		f.reloadNetwork()
		change()
		n, err := p.GetNetwork(t.Context(), networkSpec(1).ID)
		if err != nil || n.Phase != provider.PhaseFailed || !strings.Contains(n.Failure.Message, name) {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}

func TestRouters(t *testing.T) {
	p, _, _ := newTest(t)
	all, err := p.ListRouters(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	r := all[0]
	if r.ID != "gate-1" || r.Name != "gate" || strings.Join(r.Fabrics, " ") != "lab mine old" || r.Endpoint.PortMax != 51999 ||
		len(r.DelegatedPrefixes) != 1 || r.DelegatedPrefixes[0].String() != "2001:db8:77::/56" || r.MTU != 1500 || r.MaxNetworks != 30 {
		t.Errorf("%+v", r)
	}
}
