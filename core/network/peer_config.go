// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// PeerConfig returns a wg-quick file for a peer. Where the private key belongs there is a comment: the key never leaves
// the peer's machine. BadState while there is no such tunnel.
func (s *Service) PeerConfig(ctx context.Context, project, network, peer string) (string, error) {
	var n core.Network
	var p core.Peer
	err := s.store.View(ctx, func(tx core.Tx) (err error) {
		n, p, err = findPeer(tx, project, network, peer)
		return err
	})
	switch wg := n.Status.WireGuard; {
	case err != nil:
		return "", err
	case len(p.Status.Addresses) == 0 || p.Status.State == core.PeerDeleting:
		return "", fault.New(fault.BadState, "peer %s is in state %s and has no tunnel", p.Name, p.Status.State)
	case wg == nil || wg.PublicKey == "":
		return "", fault.New(fault.BadState, "network %s has no WireGuard key yet; see its operation", n.Name)
	}
	own, err := addressesOf(p.Status.Addresses)
	if err != nil {
		return "", err
	}
	return wgQuick(n, p, own), nil
}

func wgQuick(n core.Network, p core.Peer, own []netip.Addr) string {
	wg := n.Status.WireGuard
	addresses := make([]string, len(own))
	for i, a := range own {
		addresses[i] = netip.PrefixFrom(a, a.BitLen()).String()
	}
	return fmt.Sprintf(`# Peer %s of network %s. Save as rz-%s.conf (mode 0600), then: wg-quick up ./rz-%s.conf

[Interface]
# PrivateKey = (put it here: the private key that belongs to %s)
Address = %s
DNS = %s, %s
MTU = %d

[Peer]
PublicKey = %s
Endpoint = %s
AllowedIPs = %s
PersistentKeepalive = 25
`,
		p.Name, n.Name, n.Status.Handle, n.Status.Handle, p.Spec.PublicKey,
		strings.Join(addresses, ", "), strings.Join(p.Status.DNS, ", "), n.Status.Domain, wg.MTU,
		wg.PublicKey, wg.Endpoint, strings.Join(p.Status.AllowedIPs, ", "))
}
