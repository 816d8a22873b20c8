// SPDX-License-Identifier: Apache-2.0

// Package wan is what lies between the lab's router and the rest of the world: a NAT in front of the router, and a
// laptop on the other side of it.
package wan

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/rhyzome/rhyzome/lab/fabric"
	"github.com/rhyzome/rhyzome/lab/machine"
)

// Interfaces of the NAT.
const (
	outside = "wan0"
	inside  = "lan0"
)

// NAT is the home router that nobody of Rhyzome's controls: what is behind it can only dial out.
type NAT struct {
	Outside []netip.Prefix // its own addresses on the WAN
	Inside  []netip.Prefix // its own addresses towards what is behind it
	// Forward is the one thing that comes in: UDP ports, inclusive, to an address behind it.
	PortMin, PortMax int
	To               netip.Addr
}

// StartNAT makes the NAT's machine between two segments.
func StartNAT(ctx context.Context, spec machine.Spec, wan, lan *fabric.Segment, nat NAT) (*machine.Machine, error) {
	spec.Sysctls = map[string]string{"net.ipv4.ip_forward": "1"}
	m, err := machine.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	if err := nat.equip(ctx, m, wan, lan); err != nil {
		return nil, fmt.Errorf("nat: %w", err)
	}
	return m, nil
}

func (n NAT) equip(ctx context.Context, m *machine.Machine, wan, lan *fabric.Segment) error {
	if err := wan.Connect(m, outside); err != nil {
		return err
	}
	if err := lan.Connect(m, inside); err != nil {
		return err
	}
	if err := m.Address(outside, n.Outside...); err != nil {
		return err
	}
	if err := m.Address(inside, n.Inside...); err != nil {
		return err
	}
	load := m.Command(ctx, "nft", "-f", "-")
	load.Stdin = strings.NewReader(n.ruleset())
	if out, err := load.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	return nil
}

func (n NAT) ruleset() string {
	return fmt.Sprintf(`table inet nat {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname %[1]q oifname %[2]q accept
		iifname %[2]q ct status dnat accept
	}
	chain prerouting {
		type nat hook prerouting priority dstnat;
		iifname %[2]q meta nfproto ipv4 udp dport %[3]d-%[4]d dnat ip to %[5]s
	}
	chain postrouting {
		type nat hook postrouting priority srcnat;
		oifname %[2]q masquerade
	}
}
`, inside, outside, n.PortMin, n.PortMax, n.To)
}
