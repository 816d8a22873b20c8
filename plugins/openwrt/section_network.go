// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/rhyzome/rhyzome/plugins/openwrt/uci"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// network is a network as it is to be written.
type network struct {
	provider.NetworkSpec
	fabric fabric
	trunk  int    // MTU of the fabric's trunk
	zone   string // the owner's, that leads outside
	v4, v6 *provider.Subnet
	key    string // WireGuard private key
}

func (n network) device() string { return n.fabric.device(n.Handle, n.SegmentID) }

// networkSections are its part of /etc/config/network, its peers apart.
func (n network) networkSections() []uci.Section {
	all := append(n.segment(), n.lan())
	if n.WireGuard != nil {
		all = append(all, n.tunnel())
	}
	return all
}

// segment makes the VLAN's device. In mode prepared the owner has made it.
func (n network) segment() []uci.Section {
	if n.fabric.Mode == modePrepared {
		return nil
	}
	settings := section("device", partName(n.Handle, "device"), option("name", n.device()), option("rpfilter", "strict"))
	if n.MTU != defaultMTU {
		settings.Set("mtu", strconv.Itoa(n.MTU))
	}
	if n.fabric.Mode == modeVLANBridge {
		return []uci.Section{
			n.trunkBridge(),
			section("bridge-vlan", partName(n.Handle, "vlan"),
				option("device", n.fabric.Bridge),
				option("vlan", strconv.Itoa(n.SegmentID)),
				list("ports", n.fabric.Trunk+":t")),
			settings,
		}
	}
	settings.Set("type", "bridge")
	settings.Set("bridge_empty", "1")
	settings.SetList("ports", fmt.Sprintf("%s.%d", n.fabric.Trunk, n.SegmentID))
	return []uci.Section{settings}
}

// trunkBridge is the VLAN-aware bridge that the networks of a fabric share.
func (n network) trunkBridge() uci.Section {
	s := section("device", trunkName(n.fabric.Bridge),
		option("name", n.fabric.Bridge),
		option("type", "bridge"),
		option("vlan_filtering", "1"),
		option("bridge_empty", "1"),
		list("ports", n.fabric.Trunk))
	if n.trunk != defaultMTU {
		s.Set("mtu", strconv.Itoa(n.trunk))
	}
	return s
}

func (n network) lan() uci.Section {
	var v4, v6 []string
	for _, s := range n.Subnets {
		if s.CIDR.Addr().Is4() {
			v4 = append(v4, local(s))
		} else {
			v6 = append(v6, local(s))
		}
	}
	s := section("interface", lanName(n.Handle),
		option("device", n.device()),
		option("proto", "static"),
		list("ipaddr", v4...),
		list("ip6addr", v6...),
		option("delegate", "0"),
		option(optionName, n.Project+"/"+n.Name),
		option(optionFabric, n.Fabric),
	)
	s.Options = append(s.Options, tagOptions(n.Tag, stateApplying)...)
	return s
}

func (n network) tunnel() uci.Section {
	var addresses []string
	for _, s := range n.WireGuard.Subnets {
		addresses = append(addresses, local(s))
	}
	return section("interface", tunnelName(n.Handle),
		option("proto", "wireguard"),
		option("private_key", n.key),
		option("listen_port", strconv.Itoa(n.WireGuard.ListenPort)),
		list("addresses", addresses...),
		option("mtu", strconv.Itoa(n.WireGuard.MTU)),
		option("nohostroute", "1"), // the peers come to us
		option("delegate", "0"),
	)
}

// local is the router's address in a subnet, with the subnet's length.
func local(s provider.Subnet) string {
	return netip.PrefixFrom(s.Gateway, s.CIDR.Bits()).String()
}

// peerSection is a peer as UCI keeps it; netifd reads it when the tunnel comes up.
func peerSection(c carried, spec provider.PeerSpec) uci.Section {
	var allowed []string
	for _, a := range spec.Addresses {
		allowed = append(allowed, netip.PrefixFrom(a, a.BitLen()).String())
	}
	s := section(peerType(c.handle), objectName(c.handle, kindPeer, spec.ID),
		option("description", spec.ID),
		option("public_key", spec.PublicKey),
		list("allowed_ips", allowed...),
		option("route_allowed_ips", "0"), // the tunnel's own subnet covers them
		option(optionNetwork, spec.NetworkID),
	)
	s.Options = append(s.Options, tagOptions(spec.Tag, stateReady)...)
	return s
}

// peerType is what netifd looks for: wireguard_INTERFACE.
func peerType(handle string) string { return "wireguard_" + tunnelName(handle) }
