// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"slices"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// forward is a pretended port forward.
type forward struct {
	Spec provider.ForwardSpec
	Made bool
}

func (f forward) observe() provider.Forward {
	return provider.Forward{Observed: observe(f.Spec.Tag, f.Made), NetworkID: f.Spec.NetworkID}
}

var forwardShelf = shelf[forward, provider.Forward]{
	kind:    provider.KindForward,
	records: func(d *data) map[string]forward { return d.Forwards },
	observe: forward.observe,
	unmake:  func(f forward) forward { f.Made = false; return f },
}

// ApplyForward implements provider.Forwards.
func (p networks) ApplyForward(ctx context.Context, spec provider.ForwardSpec, progress provider.Progress) (provider.Forward, error) {
	begin := func(d *data, _ forward) (forward, error) { return forward{Spec: spec}, d.opens(spec) }
	finish := func(f forward) forward { f.Made = true; return f }
	return forwardShelf.apply(p.b.begin(ctx, "ApplyForward", progress), spec.ID, []string{StepRoute}, begin, finish)
}

// opens checks what only the backend knows: the network, its subnets, and who has the ports.
func (d *data) opens(spec provider.ForwardSpec) error {
	n, ok := d.Networks[spec.NetworkID]
	if !ok {
		return missing(provider.KindNetwork, spec.NetworkID)
	}
	if !slices.ContainsFunc(n.Spec.Subnets, func(s provider.Subnet) bool { return s.CIDR.Contains(spec.TargetAddress) }) {
		return fault.Invalid("/target_address", "%s is no address of network %s", spec.TargetAddress, spec.NetworkID)
	}
	for id, f := range d.Forwards {
		other := f.Spec
		if id != spec.ID && d.Networks[other.NetworkID].Spec.RouterID == n.Spec.RouterID && other.Protocol == spec.Protocol &&
			other.PortMin <= spec.PortMax && spec.PortMin <= other.PortMax {
			return fault.New(fault.ForeignConflict, "forward %s has %s ports %d to %d", id, other.Protocol, other.PortMin, other.PortMax)
		}
	}
	return nil
}

// GetForward implements provider.Forwards.
func (p networks) GetForward(ctx context.Context, id string) (provider.Forward, error) {
	return forwardShelf.get(p.b.begin(ctx, "GetForward", nil), id)
}

// DeleteForward implements provider.Forwards.
func (p networks) DeleteForward(ctx context.Context, id string, progress provider.Progress) error {
	return forwardShelf.remove(p.b.begin(ctx, "DeleteForward", progress), id, nothing)
}

// ListForwards implements provider.Forwards.
func (p networks) ListForwards(ctx context.Context) ([]provider.Forward, error) {
	return forwardShelf.list(p.b.begin(ctx, "ListForwards", nil))
}
