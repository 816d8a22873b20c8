// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/rpc"
	"net/rpc/jsonrpc"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/conformance/probe"
)

// Serve is the probe: it answers on a connection until that ends, and takes back what it has set up.
func Serve(in io.Reader, out io.WriteCloser) error {
	a := &agent{}
	server := rpc.NewServer()
	if err := server.RegisterName(probe.Service, a); err != nil {
		return err
	}
	server.ServeCodec(jsonrpc.NewServerCodec(connection{in, out}))
	return a.undoAll()
}

// agent is what runs where it measures. Its exported methods are net/rpc's.
type agent struct {
	mu    sync.Mutex
	undo  []func() error // newest last
	flows []*held
	drop  func() error // of the tunnel; nil if there is none
}

// later remembers how to take something back.
func (a *agent) later(undo func() error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.undo = append(a.undo, undo)
}

func (a *agent) undoAll() error {
	a.mu.Lock()
	undo, drop := a.undo, a.drop
	a.undo, a.flows, a.drop = nil, nil, nil
	a.mu.Unlock()
	var wrong []error
	if drop != nil {
		wrong = append(wrong, drop())
	}
	for i := len(undo) - 1; i >= 0; i-- {
		wrong = append(wrong, undo[i]())
	}
	return errors.Join(wrong...)
}

// Hello shows that the probe runs.
func (a *agent) Hello(struct{}, *struct{}) error { return nil }

// Reset implements Client.Reset.
func (a *agent) Reset(device string, reply *probe.Link) error {
	if err := a.undoAll(); err != nil {
		return err
	}
	if device == "" {
		return nil
	}
	link, err := netlink.LinkByName(device)
	if err != nil {
		return fmt.Errorf("interface %s: %w", device, err)
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		if err := flush(link, family); err != nil {
			return err
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("interface %s: %w", device, err)
	}
	*reply = probe.Link{MAC: link.Attrs().HardwareAddr.String(), MTU: link.Attrs().MTU}
	return nil
}

// flush removes the addresses of an interface, but for its link-local one, and its default routes.
func flush(link netlink.Link, family int) error {
	addresses, err := netlink.AddrList(link, family)
	if err != nil {
		return err
	}
	for _, addr := range addresses {
		if addr.IP.IsLinkLocalUnicast() {
			continue
		}
		if err := netlink.AddrDel(link, &addr); err != nil {
			return err
		}
	}
	routes, err := netlink.RouteList(link, family)
	if err != nil {
		return err
	}
	for _, r := range routes {
		if r.Gw == nil {
			continue
		}
		if err := gone(netlink.RouteDel(&r)); err != nil {
			return err
		}
	}
	return nil
}

// SetAddress implements Client.SetAddress.
func (a *agent) SetAddress(args probe.Address, _ *struct{}) error {
	link, err := netlink.LinkByName(args.Interface)
	if err != nil {
		return fmt.Errorf("interface %s: %w", args.Interface, err)
	}
	for _, p := range args.Addresses {
		addr := &netlink.Addr{IPNet: ipNet(p)}
		if p.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD // it is the guest's own, and to be used at once
		}
		if err := netlink.AddrReplace(link, addr); err != nil {
			return fmt.Errorf("address %s: %w", p, err)
		}
		a.later(func() error { return gone(netlink.AddrDel(link, addr)) })
	}
	for _, gateway := range args.Gateways {
		everywhere := netip.PrefixFrom(unspecified(gateway), 0)
		if err := a.SetRoute(probe.Route{Interface: args.Interface, To: everywhere, Via: gateway}, nil); err != nil {
			return err
		}
	}
	return nil
}

// SetRoute implements Client.SetRoute.
func (a *agent) SetRoute(args probe.Route, _ *struct{}) error {
	link, err := netlink.LinkByName(args.Interface)
	if err != nil {
		return fmt.Errorf("interface %s: %w", args.Interface, err)
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(args.To), Gw: args.Via.AsSlice()}
	if err := netlink.RouteReplace(route); err != nil {
		return fmt.Errorf("route to %s by %s: %w", args.To, args.Via, err)
	}
	a.later(func() error { return gone(netlink.RouteDel(route)) })
	return nil
}

// gone takes for done what is gone already: the kernel removes routes with their addresses, and all with the interface.
func gone(err error) error {
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func unspecified(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// awaitFor asks again until it is so.
func awaitFor(patience time.Duration, what string, so func() (bool, error)) error {
	deadline := time.Now().Add(patience)
	for {
		ok, err := so()
		switch {
		case ok || err != nil:
			return err
		case time.Now().After(deadline):
			return fmt.Errorf("%s: not within %s", what, patience)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// connection is an input and an output as one.
type connection struct {
	io.Reader
	io.WriteCloser
}
