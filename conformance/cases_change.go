// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// changeCases are about what a change or a failure of one thing does to others.
func changeCases() []Case {
	return []Case{
		{
			ID: "IMAGE-KEEP-001", Level: Must, Needs: wire.CapabilityImages,
			Title:    "An image outlives the instances that stood on it",
			Sentence: "Deleting an instance MUST leave the content that it stood on.",
			Fix:      "Remove the instance's own disk only, not what it is based on.",
			Catches:  []string{"deletes the image with its instance"},
			Run:      imageKept,
		},
		{
			ID: "NETWORK-UPDATE-001", Level: Must, Needs: wire.ServiceNetwork,
			Title:    "A network changes under its ports",
			Sentence: "Apply of a newer generation MUST take the place of the older one, and the provider MUST keep the digest that came with it.",
			Fix:      "Change what differs; do not remove a network to make it anew.",
			Catches:  []string{"loses the ports when the network changes"},
			Run:      networkChanges,
		},
		{
			ID: "PORT-UPDATE-001", Level: Must, Needs: wire.ServiceNetwork,
			Title:    "A port changes its name, address and MAC",
			Sentence: "Apply of a newer generation MUST take the place of the older one, and the provider MUST keep the digest that came with it.",
			Fix:      "Write the lease anew under the same tag.",
			Catches:  []string{"cannot rename a port", "keeps a port's addresses"},
			Run:      portChanges,
		},
		{
			ID: "PEER-BAD-001", Level: Must, Needs: wire.CapabilityPeers,
			Title:    "A peer that is refused disturbs nobody",
			Sentence: "Adding or removing one peer MUST NOT disturb the sessions of the others.",
			Fix:      "Check a peer before you touch the interface, which refuses its whole configuration for one bad peer.",
			Catches:  []string{"falls over one bad peer"},
			Run:      refusedPeers,
		},
	}
}

func imageKept(ctx context.Context, s *Session) error {
	k, d := instanceKind(), applyInstance(s.instanceSpec())
	if _, err := s.make(ctx, k, d); err != nil {
		return err
	}
	if err := s.vanished(ctx, k, d.tag); err != nil {
		return err
	}
	there, err := s.client.GetImage(ctx, s.image.SHA256)
	if err == nil && !there.Ready {
		err = errors.New("it is not ready")
	}
	if err != nil {
		return fmt.Errorf("the image of an instance that was deleted: %w", err)
	}
	return nil
}

func networkChanges(ctx context.Context, s *Session) error {
	n, err := s.makeNetwork(ctx)
	if err != nil {
		return err
	}
	port := applyPort(s.portSpec(n))
	if _, err := s.make(ctx, portKind(), port); err != nil {
		return err
	}
	for generation, egress := range []provider.Egress{provider.EgressNone, provider.EgressNAT} {
		n.Generation, n.SpecDigest = int64(generation)+2, fmt.Sprintf("sha256:conformance-%d", generation+2)
		n.Egress, n.MTU = egress, n.MTU-20
		d := applyNetwork(n)
		if _, err := s.make(ctx, networkKind(), d); err != nil {
			return err
		}
		if err := errors.Join(s.ready(ctx, networkKind(), d.tag), s.asAsked(ctx, provider.AnySpec{Network: &n})); err != nil {
			return err
		}
		if err := s.ready(ctx, portKind(), port.tag); err != nil {
			return fmt.Errorf("the port of a network that changed: %w", err)
		}
	}
	return nil
}

func portChanges(ctx context.Context, s *Session) error {
	n, err := s.makeNetwork(ctx)
	if err != nil {
		return err
	}
	spec := s.portSpec(n)
	if _, err := s.make(ctx, portKind(), applyPort(spec)); err != nil {
		return err
	}
	spec.Generation, spec.SpecDigest = 2, "sha256:conformance-2"
	spec.Hostname, spec.MAC = "renamed", "52:54:00:c0:f0:03"
	addresses := make([]netip.Addr, len(spec.Addresses))
	for i, a := range spec.Addresses {
		addresses[i] = a.Next()
	}
	spec.Addresses = addresses
	d := applyPort(spec)
	if _, err := s.make(ctx, portKind(), d); err != nil {
		return err
	}
	return errors.Join(s.ready(ctx, portKind(), d.tag), s.asAsked(ctx, provider.AnySpec{Port: &spec}))
}

func refusedPeers(ctx context.Context, s *Session) error {
	n, err := s.makeNetwork(ctx)
	if err != nil {
		return err
	}
	good, err := s.peerSpec(n)
	if err != nil {
		return err
	}
	k, first := peerKind(), applyPeer(good)
	if _, err := s.make(ctx, k, first); err != nil {
		return err
	}
	key, err := s.publicKey(ctx, n.ID)
	if err != nil {
		return err
	}
	before, err := s.client.GetPeer(ctx, first.tag.ID)
	if err != nil {
		return err
	}
	for what, change := range map[string]func(*provider.PeerSpec){
		"a key that is none":           func(p *provider.PeerSpec) { p.PublicKey = "bad" },
		"an address of nobody's range": func(p *provider.PeerSpec) { p.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.7")} },
		"a network that is not there":  func(p *provider.PeerSpec) { p.NetworkID = s.runner.NewID() },
	} {
		bad, err := s.peerSpec(n)
		if err != nil {
			return err
		}
		change(&bad)
		d := applyPeer(bad)
		o, err := s.apply(ctx, k, d, d.tag)
		if err == nil {
			err = s.failure(ctx, k, o)
		}
		if err == nil {
			return fmt.Errorf("a peer with %s is admitted", what)
		}
		if err := s.undisturbed(ctx, before, n.ID, key); err != nil {
			return fmt.Errorf("after a peer with %s: %w", what, err)
		}
		if err := s.vanished(ctx, k, d.tag); err != nil {
			return err
		}
	}
	return s.ready(ctx, k, first.tag)
}

// asAsked checks that an object is as its spec says, as far as the provider can tell.
func (s *Session) asAsked(ctx context.Context, spec provider.AnySpec) error {
	if !s.description.Offers(wire.CapabilityVerify) {
		return nil
	}
	got, err := s.client.Verify(ctx, spec)
	if err == nil && len(got) > 0 {
		err = fmt.Errorf("it is not as its spec says: %+v", got)
	}
	return err
}

// ready checks that an object is as it was made.
func (s *Session) ready(ctx context.Context, k kind, tag provider.Tag) error {
	o, err := k.get(ctx, s.client, tag.ID)
	if err == nil && o.Phase != provider.PhaseReady {
		err = fmt.Errorf("it was ready, and is %q", o.Phase)
	}
	return errors.Join(err, s.once(ctx, k, tag))
}

// vanished removes an object, and checks that nothing is left of it.
func (s *Session) vanished(ctx context.Context, k kind, tag provider.Tag) error {
	return errors.Join(s.remove(ctx, k, tag), s.absent(ctx, k, tag.ID))
}
