// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestPortsThatAreRefused(t *testing.T) {
	p, _, _ := newTest(t)
	applyNetwork(t, p, networkSpec(1))
	applyNetwork(t, p, networkSpec(2))
	applyPort(t, p, portSpec(1, 1))
	for name, c := range map[string]struct {
		change func(*provider.PortSpec)
		reason fault.Reason
		field  string
	}{
		"no such network": {func(s *provider.PortSpec) { s.NetworkID = "?" }, fault.NoSuchObject, ""},
		"outside":         {func(s *provider.PortSpec) { s.Addresses[0] = netip.MustParseAddr("10.100.2.5") }, fault.InvalidField, "/addresses/0"},
		"the router's":    {func(s *provider.PortSpec) { s.Addresses[0] = netip.MustParseAddr("10.100.1.1") }, fault.InvalidField, "/addresses/0"},
		"not leasable":    {func(s *provider.PortSpec) { s.Addresses[1] = netip.MustParseAddr("fd42:cafe:1::1:0:5") }, fault.InvalidField, "/addresses/1"},
		"MAC of another":  {func(s *provider.PortSpec) { s.MAC = strings.ToUpper(portSpec(1, 1).MAC) }, fault.InvalidField, "/mac"},
		"name of another": {func(s *provider.PortSpec) { s.Hostname = "vm1" }, fault.InvalidField, "/hostname"},
		"v4 of another":   {func(s *provider.PortSpec) { s.Addresses[0] = portSpec(1, 1).Addresses[0] }, fault.InvalidField, "/addresses/0"},
		"v6 of another":   {func(s *provider.PortSpec) { s.Addresses[1] = portSpec(1, 1).Addresses[1] }, fault.InvalidField, "/addresses/1"},
		"moved":           {func(s *provider.PortSpec) { s.ID, s.NetworkID = portSpec(1, 1).ID, networkSpec(2).ID }, fault.InvalidField, "/network_id"},
		"bad value":       {func(s *provider.PortSpec) { s.Hostname = "a'b" }, fault.InvalidField, ""},
	} {
		spec := portSpec(1, 5)
		c.change(&spec)
		_, err := p.ApplyPort(t.Context(), spec, progress)
		refused(t, name, err, c.reason, c.field)
	}
}

func TestPortsWithOneAddress(t *testing.T) {
	p, f, _ := newTest(t)
	applyNetwork(t, p, networkSpec(1))
	for i := range 2 {
		spec := portSpec(1, 3+i)
		spec.Addresses = spec.Addresses[i : i+1]
		if o := applyPort(t, p, spec); o.Phase != provider.PhaseReady {
			t.Errorf("%+v", o)
		}
	}
	both := portSpec(1, 3)
	both.Tag = tag(both.ID, 2)
	applyPort(t, p, both)
	only := portSpec(1, 3)
	only.Tag, only.Addresses = tag(only.ID, 3), only.Addresses[:1]
	applyPort(t, p, only)
	if strings.Contains(f.read(t, "etc/config/dhcp"), only.Hostname+".net1") {
		t.Error("the IPv6 name is still there")
	}
}

const leaseText = `1763890000 52:54:00:00:01:01 10.100.1.11 vm1 01:52:54:00:00:01:01
1763890000 52:54:00:00:01:02 10.100.1.12 vm2 *
duid 00:01:00:01:30:f0:1d:c3:52:54:00:00:01:00
1763890000 1234567 fd42:cafe:1::11 vm1 00:01:00:01:30:f0
`

// TestOldLeasesAreForgotten deletes one port and gives another a new MAC: dnsmasq must not keep their addresses for who had
// them.
func TestOldLeasesAreForgotten(t *testing.T) {
	p, f, _ := newTest(t)
	everything(t, p)
	f.write(t, "tmp/dhcp.leases.rz_abcdef01", leaseText)
	applyPort(t, p, portSpec(1, 2))
	if got := f.read(t, "tmp/dhcp.leases.rz_abcdef01"); got != leaseText {
		t.Errorf("applying the same again changed the leases:\n%s", got)
	}
	f.hook(func(call string) error {
		if call == "dnsmasq reload" && strings.Contains(f.read(t, "tmp/dhcp.leases.rz_abcdef01"), "vm1") {
			t.Error("the leases are there when dnsmasq starts again")
		}
		return nil
	})
	remove(t, "port", p.DeletePort(t.Context(), portSpec(1, 1).ID, progress))
	moved := portSpec(1, 2)
	moved.Tag, moved.MAC = tag(moved.ID, 2), "52:54:00:99:99:99"
	applyPort(t, p, moved)
	if got := f.read(t, "tmp/dhcp.leases.rz_abcdef01"); got != "duid 00:01:00:01:30:f0:1d:c3:52:54:00:00:01:00\n" {
		t.Errorf("left:\n%s", got)
	}
}
