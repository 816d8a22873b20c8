// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"slices"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// labelCPU tells hosts apart, between which no running guest can move.
const labelCPU = "cpu"

// CheckInstanceMigration implements provider.Migrate.
func (p instances) CheckInstanceMigration(ctx context.Context, id, hostID string) (provider.Migration, error) {
	var none provider.Migration
	if err := p.b.begin(ctx, "CheckInstanceMigration", nil).at("", 0); err != nil {
		return none, err
	}
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	d := &p.b.data
	i, ok := d.Instances[id]
	if !ok {
		return none, missing(provider.KindInstance, id)
	}
	if _, ok := d.host(hostID); !ok || hostID == i.host() {
		return none, fault.Invalid("/host_id", "must be another host than %s, of those that are listed", i.host())
	}
	spec := i.Spec
	spec.HostID = hostID
	for _, check := range []func() error{
		func() error { return d.fits(spec) },
		func() error { return d.admits(i, spec) },
	} {
		if f := fault.Of(check()); f != nil {
			return provider.Migration{Mode: provider.MigrationImpossible, Obstacles: []string{f.Error()}}, nil
		}
	}
	if f := fault.Of(d.live(i, spec)); f != nil {
		return provider.Migration{Mode: provider.MigrationStopped, Obstacles: []string{f.Message}}, nil
	}
	return provider.Migration{Mode: provider.MigrationLive}, nil
}

// host is the one that has an instance, or where it is being made. A move changes it at its end.
func (i instance) host() string {
	if i.Host == "" {
		return i.Spec.HostID
	}
	return i.Host
}

func (d *data) host(id string) (provider.Host, bool) {
	at := slices.IndexFunc(d.Hosts, func(h provider.Host) bool { return h.ID == id })
	if at < 0 {
		return provider.Host{}, false
	}
	return d.Hosts[at], true
}

// moves refuses a move that cannot be. Where nothing was made yet, nothing moves.
func (d *data) moves(i instance, spec provider.InstanceSpec) error {
	if i.host() == "" || i.host() == spec.HostID {
		return nil
	}
	if err := d.admits(i, spec); err != nil {
		return err
	}
	if i.Power == provider.PowerRunning && spec.Power == provider.PowerRunning {
		return d.live(i, spec)
	}
	return nil
}

// admits refuses a host that can never have the instance as it is.
func (d *data) admits(i instance, spec provider.InstanceSpec) error {
	from, _ := d.host(i.host())
	to, _ := d.host(spec.HostID)
	if from.Architecture != to.Architecture {
		return fault.Invalid("/host_id", "host %s is of another architecture", to.ID)
	}
	pools := d.pools()
	for id, v := range d.Volumes {
		at := slices.IndexFunc(pools, func(p provider.Pool) bool { return p.ID == v.Spec.PoolID })
		if v.Attached == spec.ID && at >= 0 && !slices.Contains(pools[at].HostIDs, to.ID) {
			return fault.Invalid("/host_id", "host %s does not reach pool %s, where volume %s lies: detach it before", to.ID, v.Spec.PoolID, id)
		}
	}
	return nil
}

// live refuses a host to which a running guest cannot move.
func (d *data) live(i instance, spec provider.InstanceSpec) error {
	from, _ := d.host(i.host())
	to, _ := d.host(spec.HostID)
	if from.Labels[labelCPU] != to.Labels[labelCPU] {
		return fault.New(fault.BadState, "the processors of hosts %s and %s differ: stop the instance before it moves", from.ID, to.ID)
	}
	return nil
}

// stepsTo are the steps of an Apply.
func (d *data) stepsTo(spec provider.InstanceSpec) []string {
	first := StepDisk
	if i, ok := d.Instances[spec.ID]; ok && i.host() != spec.HostID {
		first = StepMove
	}
	return []string{first, StepDefine, StepPower}
}

func (b *Backend) stepsTo(spec provider.InstanceSpec) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.stepsTo(spec)
}
