// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

func forwardCases() []Case {
	return []Case{
		{
			ID: "FORWARD-UPDATE-001", Level: Must, Needs: wire.CapabilityForwards,
			Title:    "A forward changes where it leads",
			Sentence: "Apply of a newer generation MUST take the place of the older one, and the provider MUST keep the digest that came with it.",
			Fix:      "Write the redirect anew under the same tag.",
			Catches:  []string{"keeps a forward's target"},
			Run:      forwardChanges,
		},
		{
			ID: "FORWARD-CONFLICT-001", Level: Must, Needs: wire.CapabilityForwards,
			Title:    "An outside port is given once",
			Sentence: "An outside port that a forward of any network or the router itself uses with the same protocol MUST be refused with ALREADY_EXISTS, FOREIGN_CONFLICT.",
			Fix:      "Look through the forwards in the router's configuration for ranges that overlap, those of other networks too; TCP and UDP are apart.",
			Catches:  []string{"gives a port twice", "looks at the ports of new forwards only"},
			Run:      forwardConflicts,
		},
		{
			ID: "FORWARD-TARGET-001", Level: Must, Needs: wire.CapabilityForwards,
			Title:    "A forward leads into its own network only",
			Sentence: "A target outside the network's subnets MUST be refused with INVALID_ARGUMENT, INVALID_FIELD: it would open somebody else's network.",
			Fix:      "Compare target_address with the subnets of the network that the router holds.",
			Catches:  []string{"forwards to anywhere"},
			Run:      forwardTarget,
		},
	}
}

func forwardConflicts(ctx context.Context, s *Session) error {
	one, err := s.makeNetwork(ctx)
	if err != nil {
		return err
	}
	other, err := s.makeNetwork(ctx)
	if err != nil {
		return err
	}
	k, first := forwardKind(), s.forwardSpec(one)
	if _, err := s.make(ctx, k, applyForward(first)); err != nil {
		return err
	}
	second := s.forwardSpec(other)
	second.PortMin, second.PortMax = first.PortMax, first.PortMax+1
	if err := s.refused(ctx, "a port that another network's forward has", k, applyForward(second), fault.ForeignConflict); err != nil {
		return err
	}
	third := s.forwardSpec(other)
	third.Protocol, third.PortMin, third.PortMax = provider.ProtocolUDP, first.PortMin, first.PortMax
	if _, err := s.make(ctx, k, applyForward(third)); err != nil {
		return fmt.Errorf("the same ports with the other protocol: %w", err)
	}
	changed := third
	changed.Tag, changed.Protocol = asGeneration(third.Tag, 2), first.Protocol
	if err := s.refused(ctx, "a change to ports that another forward has", k, applyForward(changed), fault.ForeignConflict); err != nil {
		return err
	}
	return s.once(ctx, k, first.Tag)
}

func forwardChanges(ctx context.Context, s *Session) error {
	n, err := s.makeNetwork(ctx)
	if err != nil {
		return err
	}
	k, spec := forwardKind(), s.forwardSpec(n)
	if _, err := s.make(ctx, k, applyForward(spec)); err != nil {
		return err
	}
	spec.Tag, spec.TargetPort, spec.PortMax = asGeneration(spec.Tag, 2), spec.TargetPort+1, spec.PortMin
	spec.TargetAddress = spec.TargetAddress.Next()
	if _, err := s.make(ctx, k, applyForward(spec)); err != nil {
		return err
	}
	return errors.Join(s.ready(ctx, k, spec.Tag), s.asAsked(ctx, provider.AnySpec{Forward: &spec}))
}

func forwardTarget(ctx context.Context, s *Session) error {
	one, err := s.makeNetwork(ctx)
	if err != nil {
		return err
	}
	other, err := s.makeNetwork(ctx)
	if err != nil {
		return err
	}
	for _, target := range []netip.Addr{other.Subnets[0].Gateway.Next(), netip.MustParseAddr("198.51.100.1")} {
		spec := s.forwardSpec(one)
		spec.TargetAddress = target
		what := fmt.Sprintf("a target outside the network, %s", target)
		if err := s.refused(ctx, what, forwardKind(), applyForward(spec), fault.InvalidField); err != nil {
			return err
		}
	}
	return nil
}

func forwardKind() kind {
	return kind{
		name: provider.KindForward, prefix: "FORWARD", needs: wire.CapabilityForwards,
		draft: func(ctx context.Context, s *Session) (draft, error) {
			n, err := s.makeNetwork(ctx)
			if err != nil {
				return draft{}, err
			}
			return applyForward(s.forwardSpec(n)), nil
		},
		get: func(ctx context.Context, c *wire.Client, id string) (provider.Observed, error) {
			f, err := c.GetForward(ctx, id)
			return f.Observed, err
		},
		delete: func(ctx context.Context, c *wire.Client, fence uint64, tag provider.Tag) (bool, provider.Observed, error) {
			return c.DeleteForward(ctx, fence, tag)
		},
		list: func(ctx context.Context, c *wire.Client) ([]provider.Observed, error) {
			all, err := c.ListForwards(ctx)
			return observed(all, func(f provider.Forward) provider.Observed { return f.Observed }), err
		},
		event: func(e wire.Event) *provider.Observed {
			if e.Forward == nil {
				return nil
			}
			return &e.Forward.Observed
		},
	}
}

// forwardSpec leads two ports of its own to the first guest of a network.
func (s *Session) forwardSpec(n provider.NetworkSpec) provider.ForwardSpec {
	port := s.params.Network.ForwardPortMin + 3*s.forward%999
	s.forward++
	return provider.ForwardSpec{
		Tag: s.newTag(), NetworkID: n.ID, Protocol: provider.ProtocolTCP, PortMin: port, PortMax: port + 1,
		TargetAddress: n.Subnets[0].Gateway.Next(), TargetPort: 8080,
	}
}

func applyForward(spec provider.ForwardSpec) draft {
	return draft{spec.Tag, func(ctx context.Context, c *wire.Client, fence uint64, tag provider.Tag) (provider.Observed, error) {
		spec := spec
		spec.Tag = tag
		f, err := c.ApplyForward(ctx, fence, spec)
		return f.Observed, err
	}, func(tag provider.Tag) provider.AnySpec {
		spec := spec
		spec.Tag = tag
		return provider.AnySpec{Forward: &spec}
	}}
}
