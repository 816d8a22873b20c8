// SPDX-License-Identifier: Apache-2.0

package compute

import (
	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/scheduler"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// place chooses the host of a new instance; NoHost with the reason for each if there is none.
func place(tx core.Tx, r resolved) (core.Host, error) {
	siblings, err := core.All(tx.Instances(), core.Query{Project: r.project.ID}, idOf)
	if err != nil {
		return core.Host{}, err
	}
	on := map[string]int{}
	for _, i := range siblings {
		on[i.Status.Host]++
	}
	choices := make([]scheduler.Host, len(r.hosts))
	for n, h := range r.hosts {
		p, err := tx.Providers().Get(h.Provider)
		if err != nil {
			return core.Host{}, err
		}
		choices[n] = scheduler.Host{Host: h, Provider: p, Siblings: on[h.ID]}
	}
	need := scheduler.InstanceNeed{Units: unitsOf(r.InstanceSpec), Prefers: []string{core.CapabilityImages}}
	for _, n := range r.networks {
		need.Fabrics = append(need.Fabrics, n.Status.Fabric)
	}
	picked, err := scheduler.PickHost(choices, need)
	return picked.Host, err
}

// unitsOf is what an instance takes of its host.
func unitsOf(spec core.InstanceSpec) map[string]int64 {
	return map[string]int64{
		provider.UnitVCPUs:       int64(spec.VCPUs),
		provider.UnitMemoryBytes: spec.MemoryBytes,
		provider.UnitDiskBytes:   spec.DiskBytes,
	}
}

// recount adds up what the instances of a host take. It is called when one came or went, so what is promised never
// drifts from what is there.
func recount(tx core.Tx, host string) error {
	if host == "" {
		return nil
	}
	h, err := tx.Hosts().Get(host)
	if err != nil {
		return err
	}
	on, err := core.All(tx.Instances(), core.Query{Parent: host}, idOf)
	if err != nil {
		return err
	}
	h.Allocated = map[string]int64{}
	for _, i := range on {
		for unit, n := range unitsOf(i.Spec) {
			h.Allocated[unit] += n
		}
	}
	return tx.Hosts().Update(h)
}
