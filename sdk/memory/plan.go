// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Plan implements provider.Planner. An Apply takes all its steps, whatever it changes.
func (c common) Plan(ctx context.Context, spec provider.AnySpec) (provider.Plan, error) {
	if err := c.b.begin(ctx, "Plan", nil).at("", 0); err != nil {
		return provider.Plan{}, err
	}
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	d := &c.b.data
	switch {
	case spec.Instance != nil:
		return d.planInstance(*spec.Instance)
	case spec.Network != nil:
		return d.planNetwork(*spec.Network)
	case spec.Forward != nil:
		before, there := d.Forwards[spec.Forward.ID]
		moved := there && len(before.verify(*spec.Forward)) > 0
		return provider.Plan{Steps: []string{StepRoute}, DropsFlows: moved}, d.opens(*spec.Forward)
	case spec.Volume != nil:
		return provider.Plan{Steps: []string{StepDisk, StepAttach}}, d.holds(*spec.Volume, d.Volumes[spec.Volume.ID])
	case spec.Snapshot != nil:
		if d.Snapshots[spec.Snapshot.ID].Made {
			return provider.Plan{Steps: []string{StepDisk}}, nil
		}
		return provider.Plan{Steps: []string{StepDisk}}, d.stands(*spec.Snapshot)
	case spec.Port != nil:
		return d.planRoute(spec.Port.NetworkID)
	default:
		return d.planRoute(spec.Peer.NetworkID)
	}
}

func (d *data) planInstance(s provider.InstanceSpec) (provider.Plan, error) {
	before := d.Instances[s.ID]
	if err := before.grows(s); err != nil {
		return provider.Plan{}, err
	}
	if err := d.fits(s); err != nil {
		return provider.Plan{}, err
	}
	return provider.Plan{
		Steps:           d.stepsTo(s),
		InterruptsGuest: before.Power == provider.PowerRunning && s.Power == provider.PowerStopped,
	}, d.moves(before, s)
}

func (d *data) planNetwork(s provider.NetworkSpec) (provider.Plan, error) {
	before, there := d.Networks[s.ID]
	moved := before.Spec.RouterID != s.RouterID || before.Spec.Fabric != s.Fabric || before.Spec.SegmentID != s.SegmentID
	return provider.Plan{Steps: []string{StepRoute}, DropsFlows: there && moved}, d.routes(s)
}

// planRoute is the plan of what stands on a network.
func (d *data) planRoute(network string) (provider.Plan, error) {
	if _, ok := d.Networks[network]; !ok {
		return provider.Plan{}, missing(provider.KindNetwork, network)
	}
	return provider.Plan{Steps: []string{StepRoute}}, nil
}
