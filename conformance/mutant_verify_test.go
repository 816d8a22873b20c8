// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"

	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func verifyMutants() []mutant {
	return []mutant{
		{name: "sees no drift", caught: "VERIFY-DRIFT-001",
			provider: func(p *memory.Provider) provider.Provider { return blind{broken{p}} }},
		{name: "sees drift everywhere", caught: "VERIFY-DRIFT-001",
			provider: func(p *memory.Provider) provider.Provider { return suspicious{broken{p}} }},
		{name: "repairs what it should look at", caught: "VERIFY-DRIFT-002",
			provider: func(p *memory.Provider) provider.Provider { return repairs{broken{p}} }},
		{name: "plans nothing", caught: "PLAN-STEPS-001",
			provider: func(p *memory.Provider) provider.Provider { return planless{broken{p}} }},
		{name: "carries its plans out", caught: "PLAN-STEPS-002",
			provider: func(p *memory.Provider) provider.Provider { return hasty{broken{p}} }},
		{name: "plays its plans down", caught: "PLAN-NOTICE-001",
			provider: func(p *memory.Provider) provider.Provider { return harmless{broken{p}} }},
	}
}

type blind struct{ broken }

func (blind) Verify(context.Context, provider.AnySpec) ([]provider.Drift, error) { return nil, nil }

type suspicious struct{ broken }

func (m suspicious) Verify(ctx context.Context, s provider.AnySpec) ([]provider.Drift, error) {
	all, err := m.Provider.Verify(ctx, s)
	return append(all, provider.Drift{Field: "/power", Want: "running", Got: "stopped"}), err
}

type repairs struct{ broken }

func (m repairs) Verify(ctx context.Context, s provider.AnySpec) ([]provider.Drift, error) {
	all, err := m.Provider.Verify(ctx, s)
	if len(all) > 0 {
		_, err = m.ApplyInstance(ctx, *s.Instance, func(string, int) {})
	}
	return all, err
}

type planless struct{ broken }

func (planless) Plan(context.Context, provider.AnySpec) (provider.Plan, error) {
	return provider.Plan{}, nil
}

type hasty struct{ broken }

func (m hasty) Plan(ctx context.Context, s provider.AnySpec) (provider.Plan, error) {
	p, err := m.Provider.Plan(ctx, s)
	if i := s.Instance; i != nil && err == nil && i.Generation == 1 {
		_, err = m.ApplyInstance(ctx, *i, func(string, int) {})
	}
	return p, err
}

type harmless struct{ broken }

func (m harmless) Plan(ctx context.Context, s provider.AnySpec) (provider.Plan, error) {
	p, err := m.Provider.Plan(ctx, s)
	p.InterruptsGuest, p.DropsFlows = false, false
	return p, err
}
