// SPDX-License-Identifier: Apache-2.0

// Package fabric joins machines of the lab: segments, which are plain bridges in machines of their own, and the Open
// vSwitch that a hypervisor or a router has on a segment that carries VLANs (a trunk).
package fabric

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/lab/machine"
)

// bridge is the one interface of a segment's machine that all ports are in; the place to capture at.
const bridge = "br0"

// Segment is an Ethernet that machines are connected to. It has no address itself. Tagged frames pass as they are.
type Segment struct{ *machine.Machine }

// StartSegment makes a segment, a machine in dir.
func StartSegment(ctx context.Context, name, dir string) (*Segment, error) {
	m, err := machine.Start(ctx, machine.Spec{
		Name: name, Dir: dir,
		Sysctls: map[string]string{"net.ipv6.conf.default.disable_ipv6": "1"},
	})
	if err != nil {
		return nil, err
	}
	off := false
	err = m.Netlink(func(h *netlink.Handle) error {
		return h.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridge}, MulticastSnooping: &off})
	})
	if err == nil {
		err = m.Up(bridge)
	}
	if err != nil {
		return nil, fmt.Errorf("segment %s: %w", name, err)
	}
	return &Segment{m}, nil
}

// OpenSegment returns the segment whose machine runs in dir, or machine.ErrNotRunning.
func OpenSegment(ctx context.Context, dir string) (*Segment, error) {
	m, err := machine.Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	return &Segment{m}, nil
}

// Connect lays a cable from an interface of m, which it makes, to a port of the segment. The port has m's name: Cut and
// Mend want it. A cable that a machine of that name had here before (it may just be going down with it) is removed.
func (s *Segment) Connect(m *machine.Machine, name string) error {
	if err := s.Netlink(func(h *netlink.Handle) error { return remove(h, m.Name) }); err != nil {
		return fmt.Errorf("segment %s: port %s: %w", s.Name, m.Name, err)
	}
	port := machine.End{Machine: s.Machine, Interface: m.Name}
	if err := machine.Link(machine.End{Machine: m, Interface: name}, port); err != nil {
		return err
	}
	return s.Netlink(func(h *netlink.Handle) error { return enslave(h, m.Name) })
}

func remove(h *netlink.Handle, name string) error {
	link, err := h.LinkByName(name)
	if err == nil {
		err = h.LinkDel(link)
	}
	if errors.As(err, &netlink.LinkNotFoundError{}) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

func enslave(h *netlink.Handle, name string) error {
	br, err := h.LinkByName(bridge)
	if err != nil {
		return err
	}
	link, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	return h.LinkSetMaster(link, br)
}

// Cut takes a machine's port down.
func (s *Segment) Cut(m *machine.Machine) error { return s.Down(m.Name) }

// Mend brings it up again.
func (s *Segment) Mend(m *machine.Machine) error { return s.Up(m.Name) }
