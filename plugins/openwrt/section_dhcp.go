// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/rhyzome/rhyzome/plugins/openwrt/uci"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

const leaseTime = "1h"

// dhcpSections are a network's part of /etc/config/dhcp, its ports apart.
func (n network) dhcpSections() []uci.Section {
	all := []uci.Section{n.resolver(), n.pool(), nameSection(n.Handle, partName(n.Handle, "gateway4"), n.Domain, n.v4.Gateway)}
	if n.v6 != nil {
		all = append(all, nameSection(n.Handle, partName(n.Handle, "gateway6"), n.Domain, n.v6.Gateway))
	}
	return all
}

// resolver is the network's own dnsmasq.
func (n network) resolver() uci.Section {
	interfaces := []string{lanName(n.Handle)}
	if n.WireGuard != nil {
		interfaces = append(interfaces, tunnelName(n.Handle))
	}
	upstream := option("resolvfile", "/tmp/resolv.conf.d/resolv.conf.auto")
	if n.Egress == provider.EgressNone {
		upstream = option("noresolv", "1") // a query is a way out too
	}
	return section("dnsmasq", instanceName(n.Handle),
		option("domain", n.Domain),
		option("local", "/"+suffix(n.Domain)+"/"), // other networks' names do not exist, and nobody outside is asked
		option("expandhosts", "1"),
		option("domainneeded", "1"),
		option("boguspriv", "1"),
		option("authoritative", "1"),
		option("localuse", "0"), // else it becomes the router's own resolver
		option("nonwildcard", "1"),
		option("nohosts", "1"), // the router's own names are not the tenants' business, nor are other instances'
		option("ignore_hosts_dir", "1"),
		option("add_local_hostname", "0"),
		option("add_local_fqdn", "0"),
		option("confdir", "/tmp/dnsmasq."+instanceName(n.Handle)+".d"),
		option("leasefile", "/tmp/dhcp.leases."+lanName(n.Handle)),
		upstream,
		list("interface", interfaces...),
		list("notinterface", "loopback"),
	)
}

// suffix returns what the domains of all networks have in common: NETWORK.PROJECT.SUFFIX.
func suffix(domain string) string {
	labels := strings.Split(domain, ".")
	if len(labels) < 3 {
		return domain
	}
	return strings.Join(labels[2:], ".")
}

// pool serves fixed leases only: every address is somebody's. IPv6 addresses come by DHCP too, and never from the
// advertised prefix.
func (n network) pool() uci.Section {
	s := section("dhcp", lanName(n.Handle),
		option("interface", lanName(n.Handle)),
		option("instance", instanceName(n.Handle)),
		option("force", "1"), // else the init script looks for another server, for seconds
		option("start", n.poolStart()),
		option("limit", "1"),
		option("leasetime", leaseTime),
		option("dynamicdhcp", "0"),
		option("dhcpv4", "server"),
		list("dhcp_option", "option:domain-search,"+n.Domain),
		list("domain", n.Domain),
	)
	if n.MTU != defaultMTU {
		s.SetList("dhcp_option", "option:domain-search,"+n.Domain, "option:mtu,"+strconv.Itoa(n.MTU))
		s.Set("ra_mtu", strconv.Itoa(n.MTU))
	}
	if n.v6 == nil {
		s.Set("ra", "disabled")
		s.Set("dhcpv6", "disabled")
		return s
	}
	s.Set("ra", "server")
	s.Set("dhcpv6", "server")
	s.Set("ra_management", "2") // dnsmasq's word for: managed, not autonomous
	s.Set("ra_slaac", "0")      // odhcpd's
	s.SetList("ra_flags", "managed-config", "other-config")
	return s
}

// poolStart returns the number of the one address that the unused dynamic pool is said to have. It must not be the
// router's own, or the init script serves nothing.
func (n network) poolStart() string {
	if n.v4.Gateway == n.v4.CIDR.Masked().Addr().Next() {
		return "2"
	}
	return "1"
}

// nameSection makes a name of the network.
func nameSection(handle, sectionName, name string, addr netip.Addr) uci.Section {
	return section("domain", sectionName,
		option("instance", instanceName(handle)),
		option("name", name),
		option("ip", addr.String()),
	)
}

// portSections are a port's fixed lease and its names.
func portSections(c carried, spec provider.PortSpec) []uci.Section {
	host := section("host", objectName(c.handle, kindHost, spec.ID),
		option("instance", instanceName(c.handle)),
		option("name", spec.Hostname),
		list("mac", strings.ToLower(spec.MAC)),
	)
	var all []uci.Section
	for _, addr := range spec.Addresses {
		if addr.Is4() {
			host.Set("ip", addr.String())
			host.Set("dns", "1") // else the name exists only while the lease does
			continue
		}
		host.Set("hostid", hostID(addr))
		all = append(all, nameSection(c.handle, objectName(c.handle, kindName, spec.ID), spec.Hostname+"."+c.domain, addr))
	}
	host.Options = append(host.Options, option(optionNetwork, spec.NetworkID))
	host.Options = append(host.Options, tagOptions(spec.Tag, stateApplying)...)
	return append(all, host)
}

// hostID returns the part of an IPv6 address that OpenWrt's init script can lease: the last 32 bits.
func hostID(addr netip.Addr) string {
	b := addr.As16()
	return fmt.Sprintf("%x", uint32(b[12])<<24|uint32(b[13])<<16|uint32(b[14])<<8|uint32(b[15]))
}
