// SPDX-License-Identifier: Apache-2.0

package netifd

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rhyzome/rhyzome/lab/openwrt/uci"
)

// config is what /etc/config/network says.
type config struct {
	devices    map[string]device
	vlans      []vlan
	interfaces []interfaceConfig
	routes     []routeConfig
}

// device is a `config device`: a bridge, or settings for something that is there anyhow.
type device struct {
	name      string
	bridge    bool
	filtering bool // of VLANs: carried by Open vSwitch here
	ports     []string
	mtu       int
	rpFilter  string
}

// vlan is a `config bridge-vlan`.
type vlan struct {
	bridge string
	id     int
	ports  []vlanPort
}

// vlanPort is "eth2:t" (tagged) or "eth3", "eth3:u*" (untagged).
type vlanPort struct {
	name   string
	tagged bool
}

// interfaceConfig is a `config interface`. Two that are equal but for their peers are the same to a reload.
type interfaceConfig struct {
	name    string
	proto   string
	device  string
	auto    bool
	options map[string]string // what the protocol declares
	dns     []string
	peers   []*uci.Section // of a WireGuard interface
}

// declared are the options that a protocol declares; a change of others goes unnoticed.
var declared = map[string][]string{
	"static":    {"ipaddr", "netmask", "ip6addr", "gateway", "ip6gw", "broadcast"},
	"dhcp":      {"hostname", "clientid", "vendorid"},
	"wireguard": {"private_key", "listen_port", "addresses", "mtu", "fwmark"},
}

// routeConfig is a `config route` or `config route6`.
type routeConfig struct {
	iface, target, netmask, gateway string
}

func readConfig(p *uci.Package) *config {
	c := &config{devices: map[string]device{}}
	for _, s := range p.Sections {
		switch s.Type {
		case "device":
			d := readDevice(s)
			c.devices[d.name] = d
		case "bridge-vlan":
			c.vlans = append(c.vlans, readVLAN(s))
		case "interface":
			c.interfaces = append(c.interfaces, readInterface(p, s))
		case "route", "route6":
			c.routes = append(c.routes, routeConfig{s.Get("interface"), s.Get("target"), s.Get("netmask"), s.Get("gateway")})
		}
	}
	return c
}

func readDevice(s *uci.Section) device {
	mtu, err := strconv.Atoi(s.Default("mtu", "0"))
	if err != nil {
		mtu = 0
	}
	return device{
		name: s.Get("name"), bridge: s.Get("type") == "bridge", filtering: s.Bool("vlan_filtering", false),
		ports: s.Words("ports"), mtu: mtu, rpFilter: s.Get("rpfilter"),
	}
}

func readVLAN(s *uci.Section) vlan {
	id, err := strconv.Atoi(s.Get("vlan"))
	if err != nil {
		id = 0 // no interface finds it
	}
	v := vlan{bridge: s.Get("device"), id: id}
	for _, p := range s.Words("ports") {
		name, flags, _ := strings.Cut(p, ":")
		v.ports = append(v.ports, vlanPort{name: name, tagged: strings.Contains(flags, "t")})
	}
	return v
}

func readInterface(p *uci.Package, s *uci.Section) interfaceConfig {
	c := interfaceConfig{
		name: s.Name, proto: s.Default("proto", "none"), device: s.Get("device"), auto: s.Bool("auto", true) && !s.Bool("disabled", false),
		options: map[string]string{}, dns: s.Words("dns"), peers: p.Type("wireguard_" + s.Name),
	}
	for _, name := range declared[c.proto] {
		c.options[name] = s.Get(name)
	}
	return c
}

func (c *config) has(name string) bool {
	return slices.ContainsFunc(c.interfaces, func(i interfaceConfig) bool { return i.name == name })
}

func (c interfaceConfig) same(o interfaceConfig) bool {
	return c.proto == o.proto && c.device == o.device && c.auto == o.auto &&
		maps.Equal(c.options, o.options) && slices.Equal(c.dns, o.dns)
}

func (c interfaceConfig) words(option string) []string { return strings.Fields(c.options[option]) }

// vlanDevice returns the bridge and the VLAN that a name like br-rz.120 stands for, if there is such a bridge that filters
// VLANs, and the VLAN is declared on it.
func (c *config) vlanDevice(name string) (bridge string, id int, ok bool) {
	bridge, number, found := strings.Cut(name, ".")
	id, err := strconv.Atoi(number)
	if d := c.devices[bridge]; !found || err != nil || !d.bridge || !d.filtering {
		return "", 0, false
	}
	ok = slices.ContainsFunc(c.vlans, func(v vlan) bool { return v.bridge == bridge && v.id == id })
	return bridge, id, ok
}

// routesOf returns the static routes of an interface. What cannot be read is left out.
func (c *config) routesOf(name string) []gatewayRoute {
	var routes []gatewayRoute
	for _, r := range c.routes {
		target, err := parseAddress(r.target, r.netmask, hostBits(r.target))
		gateway, err2 := netip.ParseAddr(r.gateway)
		if r.iface == name && err == nil && err2 == nil {
			routes = append(routes, gatewayRoute{target.Masked(), gateway})
		}
	}
	return routes
}
