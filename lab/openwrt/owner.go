// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"fmt"
	"net/netip"
	"strings"
)

// LANAddress is the router's in its owner's own network.
const LANAddress = "192.168.1.1"

// WAN is how the router reaches the world.
type WAN struct {
	Addresses []netip.Prefix // the router's own
	Gateways  []netip.Addr
}

// files are those of /etc/config as the router's owner left them, before any provider: interfaces lan (a bridge) and wan,
// a firewall between them that masquerades, and one dnsmasq for everything.
func (w WAN) files() map[string]string {
	return map[string]string{"network": w.network(), "firewall": ownerFirewall, "dhcp": ownerDHCP, "system": ownerSystem}
}

const ownerSystem = `config system
	option hostname 'OpenWrt'
	option timezone 'UTC'
`

// The one section of dnsmasq names no interface: it binds every address there is, also those that come later.
const ownerDHCP = `config dnsmasq
	option domainneeded '1'
	option boguspriv '1'
	option localise_queries '1'
	option rebind_protection '1'
	option rebind_localhost '1'
	option local '/lan/'
	option domain 'lan'
	option expandhosts '1'
	option authoritative '1'
	option readethers '1'
	option leasefile '/tmp/dhcp.leases'
	option resolvfile '/tmp/resolv.conf.d/resolv.conf.auto'
	option localservice '1'

config dhcp 'lan'
	option interface 'lan'
	option start '100'
	option limit '150'
	option leasetime '12h'
	option dhcpv4 'server'
	option force '1'

config dhcp 'wan'
	option interface 'wan'
	option ignore '1'
`

const ownerNetwork = `config interface 'loopback'
	option device 'lo'
	option proto 'static'
	option ipaddr '127.0.0.1'
	option netmask '255.0.0.0'

config device
	option name 'br-lan'
	option type 'bridge'
	option bridge_empty '1'
	list ports 'eth1'

config interface 'lan'
	option device 'br-lan'
	option proto 'static'
	option ipaddr '` + LANAddress + `'
	option netmask '255.255.255.0'

config interface 'wan'
	option device '` + WANPort + `'
	option proto 'static'
`

func (w WAN) network() string {
	var b strings.Builder
	b.WriteString(ownerNetwork)
	for _, a := range w.Addresses {
		option := "ipaddr"
		if a.Addr().Is6() {
			option = "ip6addr"
		}
		fmt.Fprintf(&b, "\tlist %s '%s'\n", option, a)
	}
	for _, g := range w.Gateways {
		option := "gateway"
		if g.Is6() {
			option = "ip6gw"
		}
		fmt.Fprintf(&b, "\toption %s '%s'\n", option, g)
	}
	return b.String()
}

const ownerFirewall = `config defaults
	option syn_flood '1'
	option input 'REJECT'
	option output 'ACCEPT'
	option forward 'REJECT'

config zone
	option name 'lan'
	list network 'lan'
	option input 'ACCEPT'
	option output 'ACCEPT'
	option forward 'ACCEPT'

config zone
	option name 'wan'
	list network 'wan'
	option input 'REJECT'
	option output 'ACCEPT'
	option forward 'REJECT'
	option masq '1'
	option masq6 '1'
	option mtu_fix '1'

config forwarding
	option src 'lan'
	option dest 'wan'

config rule
	option name 'Ping'
	option src 'wan'
	option proto 'icmp'
	option icmp_type 'echo-request'
	option family 'ipv4'
	option target 'ACCEPT'

config rule
	option name 'Neighbours'
	option src 'wan'
	option proto 'icmp'
	option family 'ipv6'
	list icmp_type 'echo-request'
	list icmp_type 'router-advertisement'
	list icmp_type 'neighbour-solicitation'
	list icmp_type 'neighbour-advertisement'
	option limit '1000/sec'
	option target 'ACCEPT'
`
