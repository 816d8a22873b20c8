// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"net/netip"
	"slices"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/rhyzome/rhyzome/plugins/openwrt/uci"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// carried is a network as the configuration files have it.
type carried struct {
	handle  string
	lan     uci.Section  // interface rz_HANDLE
	tunnel  *uci.Section // interface rzw_HANDLE; nil without WireGuard
	domain  string
	subnets []netip.Prefix // of the LAN; each with the router's address, not the first one
	peers   []netip.Prefix // of the tunnel, likewise
}

// networks returns the networks that have our tag.
func (f *files) networks() []carried {
	var all []carried
	for _, s := range f.network.Sections() {
		handle, kind, ok := splitName(s.Name)
		if !ok || kind != "" || s.Type != "interface" || s.Get(optionID) == "" {
			continue
		}
		c := carried{handle: handle, lan: s, subnets: prefixes(s, "ipaddr", "ip6addr")}
		if t, ok := f.network.Section(tunnelName(handle)); ok {
			c.tunnel, c.peers = &t, prefixes(t, "addresses")
		}
		if dns, ok := f.dhcp.Section(instanceName(handle)); ok {
			c.domain = dns.Get("domain")
		}
		all = append(all, c)
	}
	return all
}

// find finds a network by its id.
func (f *files) find(id string) (carried, bool) {
	return f.first(func(c carried) bool { return c.lan.Get(optionID) == id })
}

func (f *files) first(match func(carried) bool) (carried, bool) {
	all := f.networks()
	i := slices.IndexFunc(all, match)
	if i < 0 {
		return carried{}, false
	}
	return all[i], true
}

// objects returns the sections of a kind that belong to a network; all networks' with an empty handle.
func objects(f *uci.File, handle, kind string) []uci.Section {
	return slices.DeleteFunc(f.Sections(), func(s uci.Section) bool {
		h, k, ok := splitName(s.Name)
		return !ok || k != kind || handle != "" && h != handle
	})
}

// tagged finds the section that carries an object's tag.
func tagged(f *uci.File, kind, id string) (uci.Section, bool) {
	for _, s := range objects(f, "", kind) {
		if s.Get(optionID) == id {
			return s, true
		}
	}
	return uci.Section{}, false
}

func prefixes(s uci.Section, options ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, o := range options {
		for _, v := range s.Values(o) {
			if p, err := netip.ParsePrefix(v); err == nil {
				all = append(all, p)
			}
		}
	}
	return all
}

// gateway returns the router's address on the LAN, IPv4 first.
func (c carried) gateway() netip.Addr {
	if len(c.subnets) == 0 {
		return netip.Addr{}
	}
	return c.subnets[0].Addr()
}

// publicKey returns the public half of the tunnel's key; empty without a tunnel.
func (c carried) publicKey() (string, error) {
	if c.tunnel == nil {
		return "", nil
	}
	key, err := wgtypes.ParseKey(c.tunnel.Get("private_key"))
	if err != nil {
		return "", fault.New(fault.BackendRefused, "the WireGuard key of %s cannot be read", c.tunnel.Name)
	}
	return key.PublicKey().String(), nil
}

// down tells which of the network's interfaces is not as configured; empty if all are.
func (c carried) down(live map[string]netInterface) string {
	wanted := map[string][]netip.Prefix{c.lan.Name: c.subnets}
	if c.tunnel != nil {
		wanted[c.tunnel.Name] = c.peers
	}
	for _, name := range []string{c.lan.Name, tunnelName(c.handle)} {
		addresses, ok := wanted[name]
		if !ok {
			continue
		}
		now, there := live[name]
		switch {
		case !there:
			return "netifd does not know interface " + name
		case !now.Up:
			return "interface " + name + ": " + now.trouble()
		}
		for _, a := range addresses {
			if !slices.Contains(now.addresses(), a) {
				return "interface " + name + " has no address " + a.String()
			}
		}
	}
	return ""
}

// observed reports the network as it is.
func (c carried) observed(live map[string]netInterface) (provider.Network, bool) {
	o, ok := observe(c.lan)
	if !ok {
		return provider.Network{}, false
	}
	n := provider.Network{Observed: o}
	key, err := c.publicKey()
	n.WireGuardPublicKey = key
	if n.Phase != provider.PhaseReady {
		return n, true
	}
	if err != nil {
		fail(&n.Observed, fault.Of(err))
	} else if why := c.down(live); why != "" {
		fail(&n.Observed, fault.New(fault.BackendRefused, "%s", why))
	}
	return n, true
}
