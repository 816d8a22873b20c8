// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"slices"
	"strconv"

	"github.com/rhyzome/rhyzome/plugins/openwrt/uci"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// firewallSections are a network's part of /etc/config/firewall. Its zone holds the LAN and the tunnel, which reach each
// other. There is no way to other networks or to the owner's, and of the router only the network's own addresses
// answer: names, leases and ping. The limits by dest_ip are what keeps tenants from the other networks' gateways.
func (n network) firewallSections() []uci.Section {
	own4, own6 := n.gateways()
	all := []uci.Section{
		n.firewallZone(),
		n.rule("dns", option("proto", "tcp udp"), option("dest_port", "53"), list("dest_ip", slices.Concat(own4, own6)...)),
		n.rule("dhcp4", option("family", "ipv4"), option("proto", "udp"), option("dest_port", "67"),
			list("dest_ip", slices.Concat([]string{"255.255.255.255"}, own4)...)),
		n.rule("ping4", option("family", "ipv4"), option("proto", "icmp"), list("icmp_type", "echo-request"), list("dest_ip", own4...)),
	}
	if len(own6) > 0 {
		all = append(all, n.rule("icmp6", option("family", "ipv6"), option("proto", "icmp"),
			list("icmp_type", "echo-request", "router-solicitation", "neighbour-solicitation", "neighbour-advertisement"),
			list("dest_ip", slices.Concat(own6, []string{"fe80::/10", "ff02::/16"})...)))
	}
	if n.v6 != nil {
		all = append(all, n.rule("dhcp6", option("family", "ipv6"), option("proto", "udp"), option("dest_port", "547"),
			list("src_ip", "fe80::/10"), list("dest_ip", "fe80::/10", "ff02::1:2")))
	}
	if n.Egress == provider.EgressNAT {
		all = append(all, section("forwarding", partName(n.Handle, "egress"), option("src", lanName(n.Handle)), option("dest", n.zone)))
	}
	if n.WireGuard != nil {
		all = append(all, section("rule", partName(n.Handle, "wireguard"),
			option("name", "rhyzome "+lanName(n.Handle)+" wireguard"),
			option("src", n.zone),
			option("proto", "udp"),
			option("dest_port", strconv.Itoa(n.WireGuard.ListenPort)),
			option("target", "ACCEPT")))
	}
	return all
}

// firewallZone names devices, not networks: its rules then exist before the devices do, and no interface that comes up costs a
// reload.
func (n network) firewallZone() uci.Section {
	devices := []string{n.device()}
	if n.WireGuard != nil {
		devices = append(devices, tunnelName(n.Handle))
	}
	return section("zone", partName(n.Handle, "zone"),
		option("name", lanName(n.Handle)),
		list("device", devices...),
		option("input", "REJECT"),
		option("output", "ACCEPT"),
		option("forward", "ACCEPT"),
	)
}

// rule lets something of the network's into the router.
func (n network) rule(kind string, match ...uci.Option) uci.Section {
	s := section("rule", partName(n.Handle, kind), option("name", "rhyzome "+lanName(n.Handle)+" "+kind), option("src", lanName(n.Handle)))
	s.Options = append(s.Options, match...)
	s.Options = append(s.Options, option("target", "ACCEPT"))
	return s
}

// gateways returns the router's own addresses on the LAN and on the tunnel.
func (n network) gateways() (v4, v6 []string) {
	subnets := n.Subnets
	if n.WireGuard != nil {
		subnets = slices.Concat(subnets, n.WireGuard.Subnets)
	}
	for _, s := range subnets {
		if s.Gateway.Is4() {
			v4 = append(v4, s.Gateway.String())
		} else {
			v6 = append(v6, s.Gateway.String())
		}
	}
	return v4, v6
}
