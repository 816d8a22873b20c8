// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"net/netip"
	"slices"
	"strconv"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// port is a pretended lease.
type port struct {
	Spec provider.PortSpec
	Made bool
}

func (p port) observe() provider.Port {
	return provider.Port{Observed: observe(p.Spec.Tag, p.Made), NetworkID: p.Spec.NetworkID}
}

var portShelf = shelf[port, provider.Port]{
	kind:    provider.KindPort,
	records: func(d *data) map[string]port { return d.Ports },
	observe: port.observe,
	unmake:  func(p port) port { p.Made = false; return p },
}

// ApplyPort implements provider.Ports.
func (p networks) ApplyPort(ctx context.Context, spec provider.PortSpec, progress provider.Progress) (provider.Port, error) {
	begin := func(d *data, _ port) (port, error) {
		n, ok := d.Networks[spec.NetworkID]
		if !ok {
			return port{}, missing(provider.KindNetwork, spec.NetworkID)
		}
		return port{Spec: spec}, within(n.Spec.Subnets, spec.Addresses)
	}
	finish := func(r port) port { r.Made = true; return r }
	return portShelf.apply(p.b.begin(ctx, "ApplyPort", progress), spec.ID, []string{StepRoute}, begin, finish)
}

// GetPort implements provider.Ports.
func (p networks) GetPort(ctx context.Context, id string) (provider.Port, error) {
	return portShelf.get(p.b.begin(ctx, "GetPort", nil), id)
}

// DeletePort implements provider.Ports.
func (p networks) DeletePort(ctx context.Context, id string, progress provider.Progress) error {
	return portShelf.remove(p.b.begin(ctx, "DeletePort", progress), id, nothing)
}

// ListPorts implements provider.Ports.
func (p networks) ListPorts(ctx context.Context) ([]provider.Port, error) {
	return portShelf.list(p.b.begin(ctx, "ListPorts", nil))
}

// within refuses addresses that lie in none of the subnets.
func within(subnets []provider.Subnet, addresses []netip.Addr) error {
	var faults []*fault.Error
	for i, a := range addresses {
		if !slices.ContainsFunc(subnets, func(s provider.Subnet) bool { return s.CIDR.Contains(a) }) {
			faults = append(faults, fault.Invalid("/addresses/"+strconv.Itoa(i), "lies in no subnet of the network"))
		}
	}
	return fault.Join(faults...)
}
