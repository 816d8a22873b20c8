// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rhyzome/rhyzome/plugins/openwrt/uci"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

const maxVLAN = 4094

// resolve checks a spec against the settings, all faults at once, and adds what they tell.
func (r *router) resolve(spec provider.NetworkSpec) (network, error) {
	n := network{NetworkSpec: spec, trunk: r.MTU, zone: r.WANZone}
	var faults []*fault.Error
	refuse := func(bad bool, field, format string, args ...any) {
		if bad {
			faults = append(faults, fault.Invalid(field, format, args...))
		}
	}
	fabric, known := r.Fabrics[spec.Fabric]
	n.fabric = fabric
	refuse(!known, "/fabric", "this router is not on fabric %q", spec.Fabric)
	refuse(spec.RouterID != r.Router.ID, "/router_id", "this is router %s", r.Router.ID)
	refuse(!handleForm.MatchString(spec.Handle), "/handle", "must be eight of a to z and 0 to 9")
	refuse(spec.SegmentID < 1 || spec.SegmentID > maxVLAN, "/segment_id", "must be a VLAN id, 1 to %d", maxVLAN)
	refuse(spec.MTU > r.MTU, "/mtu", "must be at most %d on this router", r.MTU)
	for i, s := range spec.Subnets {
		at := "/subnets/" + strconv.Itoa(i)
		refuse(!s.CIDR.IsValid() || !s.CIDR.Contains(s.Gateway), at+"/gateway", "must lie in the subnet")
		if s.CIDR.Addr().Is4() {
			refuse(n.v4 != nil, at, "is a second IPv4 subnet; a network has one")
			n.v4 = &spec.Subnets[i]
			continue
		}
		refuse(n.v6 != nil, at, "is a second IPv6 subnet; a network has at most one")
		refuse(s.CIDR.Bits() != 64, at+"/cidr", "must be a /64")
		n.v6 = &spec.Subnets[i]
	}
	refuse(n.v4 == nil, "/subnets", "must hold an IPv4 subnet: OpenWrt serves no DHCP without one")
	if w := spec.WireGuard; w != nil {
		e := r.Endpoint
		refuse(e != nil && (w.ListenPort < e.PortMin || w.ListenPort > e.PortMax), "/wireguard/listen_port", "is outside the endpoint's range")
		refuse(len(w.Subnets) == 0, "/wireguard/subnets", "must not be empty")
	}
	return n, fault.Join(faults...)
}

// lanGateways returns the router's addresses on the LAN.
func (n network) lanGateways() []netip.Addr {
	var all []netip.Addr
	for _, s := range n.Subnets {
		all = append(all, s.Gateway)
	}
	return all
}

// admit refuses a network that the router cannot carry beside what it has: ours and the owner's.
func (r *router) admit(f *files, n network, live map[string]netInterface) error {
	carries := f.networks()
	if err := n.sameAsBefore(carries); err != nil {
		return err
	}
	others := slices.DeleteFunc(carries, func(c carried) bool { return c.handle == n.Handle })
	if r.MaxNetworks > 0 && len(others) >= r.MaxNetworks {
		return fault.New(fault.NoCapacity, "the router carries %d networks already, as many as it may", len(others))
	}
	if err := n.taken(f); err != nil {
		return err
	}
	if err := n.overlaps(others, live); err != nil {
		return err
	}
	return n.outside(f.firewall.Foreign())
}

// sameAsBefore keeps what is fixed with the first Apply.
func (n network) sameAsBefore(carries []carried) error {
	for _, c := range carries {
		same := c.lan.Get(optionID) == n.ID
		switch {
		case c.handle == n.Handle && !same:
			return fault.New(fault.ForeignConflict, "handle %s is that of network %s", n.Handle, c.lan.Get(optionID))
		case same && c.handle != n.Handle:
			return fault.Invalid("/handle", "is %s and stays so", c.handle)
		case same && c.domain != "" && c.domain != n.Domain:
			return fault.Invalid("/domain", "is %s and stays so", c.domain)
		}
	}
	return nil
}

// taken refuses names and numbers that another section has.
func (n network) taken(f *files) error {
	for _, s := range slices.Concat(f.network.Sections(), f.network.Foreign()) {
		handle, _, _ := splitName(s.Name)
		if handle == n.Handle || s.Name == trunkName(n.fabric.Bridge) {
			if s.Name == lanName(n.Handle) && s.Get(optionID) == "" {
				return fault.New(fault.ForeignConflict, "%s in the network configuration is not ours", s.Name)
			}
			continue
		}
		switch {
		case s.Type == "interface" && (s.Get("device") == n.device() || s.Get("ifname") == n.device()):
			return fault.New(fault.ForeignConflict, "interface %s uses VLAN device %s already", title(s), n.device())
		case s.Type == "interface" && n.WireGuard != nil && s.Get("listen_port") == strconv.Itoa(n.WireGuard.ListenPort):
			return fault.New(fault.ForeignConflict, "interface %s listens at UDP port %d already", title(s), n.WireGuard.ListenPort)
		case s.Type == "device" && n.fabric.Mode == modeVLANBridge && s.Get("name") == n.fabric.Bridge:
			return fault.New(fault.ForeignConflict, "%s is the owner's bridge: give the fabric another, or use mode prepared", n.fabric.Bridge)
		}
	}
	return nil
}

func title(s uci.Section) string {
	if s.Name == "" {
		return "without a name"
	}
	return s.Name
}

// overlaps refuses ranges that would take addresses away from other networks, or from the router's own connections: the
// one to the core may be among them.
func (n network) overlaps(others []carried, live map[string]netInterface) error {
	subnets := slices.Clone(n.Subnets)
	if n.WireGuard != nil {
		subnets = append(subnets, n.WireGuard.Subnets...)
	}
	for i, s := range subnets {
		for _, o := range subnets[:i] {
			if s.CIDR.Overlaps(o.CIDR) {
				return fault.New(fault.CIDROverlaps, "%s overlaps %s of the same network", s.CIDR, o.CIDR)
			}
		}
		for _, c := range others {
			for _, used := range slices.Concat(c.subnets, c.peers) {
				if s.CIDR.Overlaps(used) {
					return fault.New(fault.CIDROverlaps, "%s overlaps %s of network %s", s.CIDR, used.Masked(), c.lan.Get(optionID))
				}
			}
		}
		for name, i := range live {
			if owned(name) {
				continue
			}
			for _, used := range slices.Concat(i.addresses(), i.routes()) {
				if s.CIDR.Overlaps(used) {
					return fault.New(fault.CIDROverlaps, "%s overlaps %s of the router's interface %s", s.CIDR, used.Masked(), name)
				}
			}
		}
	}
	return nil
}

// outside looks whether the owner's firewall is what our sections rely on. fw4 only warns of a zone that does not exist,
// and leaves the rule out.
func (n network) outside(foreign []uci.Section) error {
	var zone *uci.Section
	for i, s := range foreign {
		switch {
		case s.Type == "defaults" && strings.EqualFold(s.Get("forward"), "accept"):
			return fault.New(fault.BackendRefused, "the firewall forwards by default, so networks would reach each other: set option forward to REJECT in its defaults")
		case s.Type == "zone" && s.Get("name") == n.zone:
			zone = &foreign[i]
		}
	}
	needed := n.Egress == provider.EgressNAT || n.WireGuard != nil
	switch {
	case needed && zone == nil:
		return fault.New(fault.BackendRefused, "the firewall has no zone %s: set wan_zone in the provider's configuration", n.zone)
	case n.Egress == provider.EgressNAT && !isTrue(zone.Get("masq")):
		return fault.New(fault.BackendRefused, "the firewall's zone %s does not translate addresses: set option masq to 1", n.zone)
	}
	return nil
}

// isTrue reads a boolean as OpenWrt does.
func isTrue(value string) bool {
	return slices.Contains([]string{"1", "on", "true", "yes", "enabled"}, value)
}
