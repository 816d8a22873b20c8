// SPDX-License-Identifier: Apache-2.0

package network

import (
	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/scheduler"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// choose finds the fabric and the router, and gathers what the allocation looks at. faults is what is wrong with the
// request already.
func (s *Service) choose(tx core.Tx, want asked, faults []*fault.Error) (allocation, error) {
	var a allocation
	fabric, noFabric := chooseFabric(tx, want.Fabric)
	candidates, noRouter := routers(tx, want.Router)
	if err := badRefs(faults, noFabric, noRouter); err != nil {
		return a, err
	}
	var err error
	a.fabric = fabric
	if a.networks, err = core.All(tx.Networks(), core.Query{}, idOf); err != nil {
		return a, err
	}
	if a.ranges, err = rangesInUse(a.networks); err != nil {
		return a, err
	}
	if a.ula, err = ulaPrefix(tx, s.random); err != nil {
		return a, err
	}
	choices, err := a.describe(tx, candidates)
	if err != nil {
		return a, err
	}
	picked, err := scheduler.PickRouter(choices, scheduler.NetworkNeed{
		Fabric: fabric.Name, Ranges: want.ranges(), Endpoint: want.WireGuard != nil && *want.WireGuard,
	})
	a.router = picked.Router
	return a, err
}

// badRefs joins the faults of a request with those of looking up what it names; other errors come first.
func badRefs(faults []*fault.Error, lookups ...error) error {
	for _, err := range lookups {
		if err != nil && fault.ReasonOf(err) != fault.InvalidField {
			return err
		}
		faults = append(faults, fault.Of(err))
	}
	return fault.Join(faults...)
}

// chooseFabric finds the fabric asked for, or the only one.
func chooseFabric(tx core.Tx, ref string) (core.Fabric, error) {
	if ref != "" {
		f, err := core.FindFabric(tx, ref)
		return f, core.BadRef("/spec/fabric", err)
	}
	all, err := tx.Fabrics().Find(core.Query{Page: core.Page{Limit: 2}})
	switch {
	case err != nil:
		return core.Fabric{}, err
	case len(all) == 0:
		return core.Fabric{}, fault.Invalid("/spec/fabric", "there is no fabric yet; an operator has to create one")
	case len(all) > 1:
		return core.Fabric{}, fault.Invalid("/spec/fabric", "there is more than one fabric (%s, %s, …); name one", all[0].Name, all[1].Name)
	}
	return all[0], nil
}

// routers returns those to choose from: the pinned one, or all.
func routers(tx core.Tx, pinned string) ([]core.Router, error) {
	if pinned != "" {
		r, err := core.FindRouter(tx, pinned)
		return []core.Router{r}, core.BadRef("/spec/router", err)
	}
	return core.All(tx.Routers(), core.Query{}, func(r core.Router) string { return r.ID })
}

// describe adds what the choice of a router depends on.
func (a allocation) describe(tx core.Tx, routers []core.Router) ([]scheduler.Router, error) {
	all := make([]scheduler.Router, len(routers))
	for i, r := range routers {
		p, err := tx.Providers().Get(r.Provider)
		if err != nil {
			return nil, err
		}
		all[i] = scheduler.Router{Router: r, Provider: p, Ranges: a.ranges.on(r.ID)}
		for _, n := range a.networks {
			if n.Status.Router == r.ID {
				all[i].Networks++
			}
		}
	}
	return all, nil
}
