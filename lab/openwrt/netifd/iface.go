// SPDX-License-Identifier: Apache-2.0

package netifd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

type ifaceState int

const (
	stateDown ifaceState = iota
	stateSetup
	stateUp
)

// iface is a logical interface. Its fields are written by the daemon's worker, with the daemon's lock held.
type iface struct {
	config    interfaceConfig
	state     ifaceState
	available bool
	autostart bool
	errors    []statusError
	since     time.Time // up

	l3        string // the device that has the addresses
	index     int    // of the device, to tell it from a later one of the same name
	addresses []netip.Prefix
	routes    []gatewayRoute
	dns       []string
}

type gatewayRoute struct {
	target  netip.Prefix
	gateway netip.Addr
}

// fault is a failure that the interface's status shows.
type fault struct{ statusError }

func (f fault) Error() string { return f.Subsystem + " " + f.Code + " " + strings.Join(f.Data, " ") }

func invalid(code, value string) fault { return fault{statusError{"proto", code, []string{value}}} }

// addressing is what a protocol finds out.
type addressing struct {
	link      netlink.Link
	addresses []netip.Prefix
	routes    []gatewayRoute
	dns       []string
}

// static reads the addresses of a static interface; nothing is changed unless all are good.
func (c interfaceConfig) static() (addressing, error) {
	a := addressing{dns: c.dns}
	for _, word := range c.words("ipaddr") {
		p, err := parseAddress(word, c.options["netmask"], 32)
		if err != nil || !p.Addr().Is4() {
			return a, invalid("INVALID_ADDRESS", word)
		}
		a.addresses = append(a.addresses, p)
	}
	for _, word := range c.words("ip6addr") {
		p, err := parseAddress(word, "", 128)
		if err != nil || !p.Addr().Is6() {
			return a, invalid("INVALID_ADDRESS", word)
		}
		a.addresses = append(a.addresses, p)
	}
	for option, target := range map[string]string{"gateway": "0.0.0.0/0", "ip6gw": "::/0"} {
		word := c.options[option]
		if word == "" {
			continue
		}
		gateway, err := netip.ParseAddr(word)
		if err != nil {
			return a, invalid("INVALID_GATEWAY", word)
		}
		a.routes = append(a.routes, gatewayRoute{netip.MustParsePrefix(target), gateway})
	}
	return a, nil
}

// parseAddress reads an address with a prefix length; without one, by the netmask, or as a host.
func parseAddress(word, netmask string, hostBits int) (netip.Prefix, error) {
	if strings.Contains(word, "/") {
		return netip.ParsePrefix(word)
	}
	a, err := netip.ParseAddr(word)
	if err != nil {
		return netip.Prefix{}, err
	}
	if netmask == "" {
		return netip.PrefixFrom(a, hostBits), nil
	}
	ones, bits := net.IPMask(net.ParseIP(netmask).To4()).Size()
	if bits == 0 {
		return netip.Prefix{}, fmt.Errorf("netmask %q", netmask)
	}
	return netip.PrefixFrom(a, ones), nil
}

// install gives a device its addresses and routes.
func (a addressing) install() error {
	for _, p := range a.addresses {
		// Without duplicate address detection: it would take a second, in which programs cannot bind.
		err := netlink.AddrReplace(a.link, &netlink.Addr{IPNet: ipNet(p), Flags: unix.IFA_F_NODAD})
		if err != nil {
			return fmt.Errorf("address %s: %w", p, err)
		}
	}
	for _, r := range a.routes {
		if err := netlink.RouteReplace(r.netlink(a.link)); err != nil {
			return fmt.Errorf("route %s: %w", r.target, err)
		}
	}
	return nil
}

// uninstall takes them away again; a device that is gone has none.
func (a addressing) uninstall() error {
	for _, r := range a.routes {
		if err := netlink.RouteDel(r.netlink(a.link)); err != nil && !gone(err) {
			return fmt.Errorf("route %s: %w", r.target, err)
		}
	}
	for _, p := range a.addresses {
		if err := netlink.AddrDel(a.link, &netlink.Addr{IPNet: ipNet(p)}); err != nil && !gone(err) {
			return fmt.Errorf("address %s: %w", p, err)
		}
	}
	return nil
}

func gone(err error) bool {
	return errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EADDRNOTAVAIL)
}

func (r gatewayRoute) netlink(link netlink.Link) *netlink.Route {
	n := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(r.target), Flags: int(netlink.FLAG_ONLINK)}
	if r.gateway.IsValid() {
		n.Gw = net.IP(r.gateway.AsSlice())
	} else {
		n.Flags, n.Scope = 0, netlink.SCOPE_LINK
	}
	return n
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: net.IP(p.Addr().AsSlice()), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
