// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// End is one end of a cable.
type End struct {
	Machine   *Machine
	Interface string
}

// Link lays a cable (a veth pair) between two machines and brings both ends up. It appears in the two machines at once,
// and nowhere else before. An interface of a name in a machine's directory has the same MAC at every start: neighbours
// would look for the old one for a minute.
func Link(a, b End) error {
	there, err := b.Machine.netns()
	if err != nil {
		return err
	}
	defer closeAll([]int{int(there)})
	return a.Machine.Netlink(func(h *netlink.Handle) error {
		veth := &netlink.Veth{
			LinkAttrs:        netlink.LinkAttrs{Name: a.Interface, HardwareAddr: a.mac()},
			PeerName:         b.Interface,
			PeerHardwareAddr: b.mac(),
			PeerNamespace:    netlink.NsFd(there),
		}
		if err := h.LinkAdd(veth); err != nil {
			return fmt.Errorf("link %s/%s to %s/%s: %w", a.Machine.Name, a.Interface, b.Machine.Name, b.Interface, err)
		}
		if err := a.Machine.Up(a.Interface); err != nil {
			return err
		}
		return b.Machine.Up(b.Interface)
	})
}

// mac is locally administered, and the machine's and interface's own.
func (e End) mac() net.HardwareAddr {
	sum := sha256.Sum256([]byte(e.Machine.Dir + "/" + e.Interface))
	return append(net.HardwareAddr{0x02}, sum[:5]...)
}

// Netlink gives f a handle on the machine's network namespace.
func (m *Machine) Netlink(f func(h *netlink.Handle) error) error {
	ns, err := m.netns()
	if err != nil {
		return err
	}
	defer closeAll([]int{int(ns)})
	h, err := netlink.NewHandleAt(ns)
	if err != nil {
		return fmt.Errorf("%s: netlink: %w", m.Name, err)
	}
	defer h.Close()
	return f(h)
}

func (m *Machine) netns() (netns.NsHandle, error) {
	ns, err := netns.GetFromPid(m.PID)
	if err != nil {
		return ns, fmt.Errorf("%s: %w", m.Name, err)
	}
	return ns, nil
}

// Up brings an interface up.
func (m *Machine) Up(name string) error { return m.each(name, (*netlink.Handle).LinkSetUp) }

// Down takes an interface down: the cable is pulled.
func (m *Machine) Down(name string) error { return m.each(name, (*netlink.Handle).LinkSetDown) }

func (m *Machine) each(name string, do func(*netlink.Handle, netlink.Link) error) error {
	return m.Netlink(func(h *netlink.Handle) error {
		link, err := h.LinkByName(name)
		if err == nil {
			err = do(h, link)
		}
		if err != nil {
			return fmt.Errorf("%s: %s: %w", m.Name, name, err)
		}
		return nil
	})
}

// Address gives an interface addresses, usable at once (no duplicate address detection).
func (m *Machine) Address(name string, addresses ...netip.Prefix) error {
	return m.each(name, func(h *netlink.Handle, link netlink.Link) error {
		for _, a := range addresses {
			if err := h.AddrReplace(link, &netlink.Addr{IPNet: ipNet(a), Flags: unix.IFA_F_NODAD}); err != nil {
				return fmt.Errorf("address %s: %w", a, err)
			}
		}
		return nil
	})
}

// Route sends what goes to dst by way of a neighbour.
func (m *Machine) Route(dst netip.Prefix, via netip.Addr) error {
	return m.Netlink(func(h *netlink.Handle) error {
		if err := h.RouteReplace(&netlink.Route{Dst: ipNet(dst), Gw: net.IP(via.AsSlice())}); err != nil {
			return fmt.Errorf("%s: route %s via %s: %w", m.Name, dst, via, err)
		}
		return nil
	})
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: net.IP(p.Addr().AsSlice()), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
