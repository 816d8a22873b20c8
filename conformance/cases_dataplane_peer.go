// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/rhyzome/rhyzome/conformance/probe"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

func dataplanePeerCases() []Case {
	return []Case{
		{
			ID: "DATA-PEER-001", Needs: wire.CapabilityPeers,
			Title:    "A peer reaches its network, and no other",
			Sentence: "A peer MUST reach its network's guests and resolver through the tunnel, v4 and v6, and no other network.",
			Fix:      "Give the tunnel the rules of its network's own interface.",
			Catches:  []string{"admits no peer", "lets peers reach every network"},
			Run:      staged(nil, dataPeer),
		},
		{
			ID: "DATA-PEER-002", Needs: wire.CapabilityPeers,
			Title:    "Who is no peer does not come in",
			Sentence: "Who holds no admitted peer's key MUST NOT come in, and a peer MUST NOT come in with an address that is not its own.",
			Fix:      "Allow each peer's own addresses on the tunnel, and none besides.",
			Catches:  []string{"accepts a neighbour's address from a peer"},
			Run:      staged(nil, dataNoPeer),
		},
		{
			ID: "DATA-PEER-003", Needs: wire.CapabilityPeers,
			Title:    "A deleted peer is out at once",
			Sentence: "When nothing is left of a peer, its session MUST have ended, too.",
			Fix:      "Remove the peer from the device, not only from the configuration.",
			Catches:  []string{"shuts no peer out"},
			Run:      staged(nil, dataPeerDeleted),
		},
	}
}

// laptop is a peer with its key and its end of the tunnel.
type laptop struct {
	spec   provider.PeerSpec
	tunnel probe.Tunnel
}

// newLaptop makes a key, and what the n-th peer of network a needs to dial.
func (c *scene) newLaptop(ctx context.Context, n int) (laptop, error) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return laptop{}, err
	}
	if c.router.Endpoint == nil || c.a.WireGuard == nil {
		return laptop{}, fmt.Errorf("router %s declares no endpoint, and so cannot have peers", c.router.ID)
	}
	public, err := c.publicKey(ctx, c.a.ID)
	if err != nil {
		return laptop{}, err
	}
	l := laptop{
		spec: provider.PeerSpec{
			Tag: c.newTag(), NetworkID: c.a.ID, PublicKey: base64.StdEncoding.EncodeToString(key.PublicKey().Bytes()),
		},
		tunnel: probe.Tunnel{
			PrivateKey: base64.StdEncoding.EncodeToString(key.Bytes()), Peer: public,
			Endpoint: netip.AddrPortFrom(c.params.Dataplane.Router, uint16(c.router.Endpoint.OutsidePort(c.a.WireGuard.ListenPort))), MTU: c.a.WireGuard.MTU,
		},
	}
	for _, subnet := range c.a.WireGuard.Subnets {
		addr := subnet.Gateway.Next()
		for range n {
			addr = addr.Next()
		}
		l.spec.Addresses = append(l.spec.Addresses, addr)
	}
	l.tunnel.Addresses = l.spec.Addresses
	for _, spec := range []provider.NetworkSpec{c.a, c.b} { // it tries what it must not reach, too
		for _, subnet := range slices.Concat(spec.Subnets, spec.WireGuard.Subnets) {
			l.tunnel.Allowed = append(l.tunnel.Allowed, subnet.CIDR)
		}
	}
	return l, nil
}

// admitted makes the first peer of network a, and dials.
func (c *scene) admitted(ctx context.Context) (laptop, error) {
	l, err := c.newLaptop(ctx, 0)
	if err != nil {
		return l, err
	}
	if _, err := c.make(ctx, peerKind(), applyPeer(l.spec)); err != nil {
		return l, err
	}
	return l, c.outside.Dial(ctx, l.tunnel)
}

func dataPeer(ctx context.Context, c *scene) error {
	if _, err := c.admitted(ctx); err != nil {
		return err
	}
	for _, g := range []*guest{&c.one, &c.two} {
		for _, addr := range g.port.Addresses {
			if err := c.outside.reaches(ctx, g, addr); err != nil {
				return fmt.Errorf("through the tunnel: %w", err)
			}
		}
	}
	for _, subnet := range c.a.WireGuard.Subnets {
		if err := c.outside.resolves(ctx, subnet.Gateway, c.one.name+"."+c.a.Domain, c.one.port.Addresses); err != nil {
			return fmt.Errorf("through the tunnel: %w", err)
		}
	}
	if err := c.outside.misses(ctx, slices.Concat(c.foreign.port.Addresses, gateways(c.b))...); err != nil {
		return fmt.Errorf("through the tunnel: %w", err)
	}
	return nil
}

func dataNoPeer(ctx context.Context, c *scene) error {
	l, err := c.admitted(ctx)
	if err != nil {
		return err
	}
	unknown, err := c.newLaptop(ctx, 1)
	if err != nil {
		return err
	}
	disguised := l.tunnel
	disguised.Addresses = unknown.spec.Addresses
	for what, tunnel := range map[string]probe.Tunnel{"with a key that is no peer's": unknown.tunnel, "with an address that is not the peer's": disguised} {
		if err := c.outside.Dial(ctx, tunnel); err != nil {
			return err
		}
		if err := c.outside.misses(ctx, c.one.port.Addresses...); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	if err := c.outside.Dial(ctx, l.tunnel); err != nil {
		return err
	}
	return c.outside.reaches(ctx, &c.one, c.one.v4())
}

func dataPeerDeleted(ctx context.Context, c *scene) error {
	l, err := c.admitted(ctx)
	if err != nil {
		return err
	}
	if err := c.outside.reaches(ctx, &c.one, c.one.v4()); err != nil {
		return err
	}
	if err := c.remove(ctx, peerKind(), l.spec.Tag); err != nil {
		return err
	}
	return errors.Join(c.outside.misses(ctx, c.one.port.Addresses...), c.outside.HangUp(ctx))
}
