// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// objects takes in everything that a provider has with our tag, and finds what it should have and has not.
func (w *view) objects(s core.Snapshot) error {
	seen := map[string]bool{}
	for _, o := range s.Networks {
		seen[o.ID] = true
		if err := w.network(o); err != nil {
			return err
		}
	}
	for _, o := range s.Ports {
		if err := w.port(o); err != nil {
			return err
		}
	}
	for _, o := range s.Peers {
		seen[o.ID] = true
		if err := w.peer(o); err != nil {
			return err
		}
	}
	for _, o := range s.Instances {
		seen[o.ID] = true
		if err := w.instance(o); err != nil {
			return err
		}
	}
	return w.missing(seen)
}

// port only finds out whose it is: ports have no state of their own.
func (w *view) port(o provider.Port) error {
	p, found, err := known(w.tx.Ports(), o.ID)
	if err != nil {
		return err
	}
	whose := nobodys
	if found {
		if _, whose, err = w.findNetwork(p.Network); err != nil || whose == mine {
			return err
		}
	}
	return w.strange(whose, provider.KindPort, o.Observed)
}

// strange deals with an object that is not the provider's own: another's is foreign, and what it says is ignored;
// nobody's is an orphan, which is reported once. Both are left where they are: an operator decides.
func (w *view) strange(of whose, kind provider.Kind, o provider.Observed) error {
	log := w.log.With("provider", w.provider.Name, "kind", kind, "id", o.ID, "backend", o.BackendRef)
	switch {
	case of == others:
		log.Warn("a provider reports what is not its own")
		return nil
	case w.orphans == nil:
		return nil
	}
	w.orphans[o.ID] = true
	if w.wasReported(o.ID) {
		return nil
	}
	log.Warn("a provider has an object that nothing stands for")
	return w.emit(w.tx, "orphan", core.ResourceRef{Kind: string(kind), ID: o.ID, Name: o.BackendRef}, "",
		"provider "+w.provider.Name+" has it, and no resource stands for it")
}

func (v *Inventory) wasReported(id string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.reported[id]
}

// remember keeps the orphans that were reported, so that a provider that comes and goes does not repeat them.
func (v *Inventory) remember(orphans map[string]bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for id := range orphans {
		v.reported[id] = true
	}
}

// missing marks what is placed on the provider and was not seen.
func (w *view) missing(seen map[string]bool) error {
	const why = "its provider does not have it"
	hosts, routers, err := w.own()
	if err != nil {
		return err
	}
	for _, h := range hosts {
		instances, err := w.instancesOn(h)
		if err != nil {
			return err
		}
		for _, i := range instances {
			if seen[i.ID] {
				continue
			}
			if err := w.instanceMissing(i.ID, why); err != nil {
				return err
			}
		}
	}
	for _, r := range routers {
		if err := w.missingOn(r, seen, why); err != nil {
			return err
		}
	}
	return nil
}

func (w *view) missingOn(r core.Router, seen map[string]bool, why string) error {
	networks, err := w.networksOn(r)
	if err != nil {
		return err
	}
	for _, n := range networks {
		if !seen[n.ID] {
			if err := w.networkMissing(n.ID, why); err != nil {
				return err
			}
		}
		peers, err := w.peersOf(n)
		if err != nil {
			return err
		}
		for _, p := range peers {
			if seen[p.ID] {
				continue
			}
			if err := w.peerMissing(p.ID, why); err != nil {
				return err
			}
		}
	}
	return nil
}
