// SPDX-License-Identifier: Apache-2.0

package inventory

import "github.com/rhyzome/rhyzome/core"

// lose marks everything on the provider as out of sight.
func (w *view) lose(why string) error {
	hosts, routers, err := w.own()
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if err := w.loseHost(h, why); err != nil {
			return err
		}
	}
	for _, r := range routers {
		if err := w.loseRouter(r, why); err != nil {
			return err
		}
	}
	return nil
}

func (w *view) loseHost(h core.Host, why string) error {
	if h.State != core.PlaceUnreachable {
		h.State = core.PlaceUnreachable
		if err := w.tx.Hosts().Update(h); err != nil {
			return err
		}
	}
	instances, err := w.instancesOn(h)
	if err != nil {
		return err
	}
	for _, i := range instances {
		if err := w.loseInstance(i, why); err != nil {
			return err
		}
	}
	return nil
}

func (w *view) loseRouter(r core.Router, why string) error {
	if r.State != core.PlaceUnreachable {
		r.State = core.PlaceUnreachable
		if err := w.tx.Routers().Update(r); err != nil {
			return err
		}
	}
	networks, err := w.networksOn(r)
	if err != nil {
		return err
	}
	for _, n := range networks {
		if err := w.loseNetwork(n, why); err != nil {
			return err
		}
		peers, err := w.peersOf(n)
		if err != nil {
			return err
		}
		for _, p := range peers {
			if err := w.losePeer(p, why); err != nil {
				return err
			}
		}
	}
	return nil
}
