// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"slices"
	"sync"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func forwardMutants() []mutant {
	return []mutant{
		{name: "gives a port twice", caught: "FORWARD-CONFLICT-001",
			provider: func(p *memory.Provider) provider.Provider { return sharesPorts{broken{p}} }},
		{name: "forwards to anywhere", caught: "FORWARD-TARGET-001",
			provider: func(p *memory.Provider) provider.Provider { return &opensAll{broken: broken{p}} }},
	}
}

// portMutants are broken at ports.
func portMutants() []mutant {
	return []mutant{{name: "looks at a port's first address only", caught: "PORT-ADDRESS-001",
		provider: func(p *memory.Provider) provider.Provider { return &seatsAnywhere{broken{p}} }}}
}

// seatsAnywhere makes a port whose first address is right, and leaves out what is not.
type seatsAnywhere struct{ broken }

func (m seatsAnywhere) ApplyPort(ctx context.Context, s provider.PortSpec, progress provider.Progress) (provider.Port, error) {
	p, err := m.Provider.ApplyPort(ctx, s, progress)
	if f := fault.Of(err); f != nil && len(f.Fields) == 1 && f.Fields[0].Field == "/addresses/1" {
		s.Addresses = s.Addresses[:1]
		return m.Provider.ApplyPort(ctx, s, progress)
	}
	return p, err
}

// sharesPorts does not look who has a port.
type sharesPorts struct{ broken }

func (m sharesPorts) ApplyForward(ctx context.Context, s provider.ForwardSpec, progress provider.Progress) (provider.Forward, error) {
	f, err := m.Provider.ApplyForward(ctx, s, progress)
	if fault.ReasonOf(err) == fault.ForeignConflict {
		s.PortMin, s.PortMax = 1, 1
		return m.Provider.ApplyForward(ctx, s, progress)
	}
	return f, err
}

// opensAll does not look where a forward leads.
type opensAll struct {
	broken
	mu      sync.Mutex
	subnets map[string][]provider.Subnet // of each network
}

func (m *opensAll) ApplyNetwork(ctx context.Context, s provider.NetworkSpec, progress provider.Progress) (provider.Network, error) {
	m.mu.Lock()
	if m.subnets == nil {
		m.subnets = map[string][]provider.Subnet{}
	}
	m.subnets[s.ID] = s.Subnets
	m.mu.Unlock()
	return m.Provider.ApplyNetwork(ctx, s, progress)
}

func (m *opensAll) ApplyForward(ctx context.Context, s provider.ForwardSpec, progress provider.Progress) (provider.Forward, error) {
	m.mu.Lock()
	within := m.subnets[s.NetworkID]
	if len(within) > 0 && !slices.ContainsFunc(within, func(n provider.Subnet) bool { return n.CIDR.Contains(s.TargetAddress) }) {
		s.TargetAddress = within[0].Gateway
	}
	m.mu.Unlock()
	return m.Provider.ApplyForward(ctx, s, progress)
}
