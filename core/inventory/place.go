// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// places takes in the hosts and routers of a snapshot. Those that are not in it any more are unreachable.
func (w *view) places(s core.Snapshot) error {
	for _, h := range s.Hosts {
		if err := w.host(h); err != nil {
			return err
		}
	}
	for _, r := range s.Routers {
		if err := w.router(r); err != nil {
			return err
		}
	}
	hosts, routers, err := w.own()
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if slices.ContainsFunc(s.Hosts, func(o provider.Host) bool { return o.ID == h.BackendID }) {
			continue
		}
		if err := w.loseHost(h, "its provider does not list it"); err != nil {
			return err
		}
	}
	for _, r := range routers {
		if slices.ContainsFunc(s.Routers, func(o provider.Router) bool { return o.ID == r.BackendID }) {
			continue
		}
		if err := w.loseRouter(r, "its provider does not list it"); err != nil {
			return err
		}
	}
	return nil
}

// own returns the rows of the provider's hosts and routers.
func (w *view) own() ([]core.Host, []core.Router, error) {
	q := core.Query{Parent: w.provider.ID}
	hosts, err := core.All(w.tx.Hosts(), q, func(h core.Host) string { return h.ID })
	if err != nil {
		return nil, nil, err
	}
	routers, err := core.All(w.tx.Routers(), q, func(r core.Router) string { return r.ID })
	return hosts, routers, err
}

// host adds or updates the row of a host. The row keeps its id and name, what is allocated, and whether it is cordoned.
func (w *view) host(o provider.Host) error {
	hosts, _, err := w.own()
	if err != nil {
		return err
	}
	at := w.now()
	i := slices.IndexFunc(hosts, func(h core.Host) bool { return h.BackendID == o.ID })
	if i < 0 {
		hosts, i = []core.Host{{Provider: w.provider.ID, BackendID: o.ID}}, 0
		if hosts[0].Meta, err = w.newPlace(o.Name, o.ID, "host", func(name string) error {
			_, err := core.FindHost(w.tx, name)
			return err
		}); err != nil {
			return err
		}
	}
	h := hosts[i]
	added := h.State == ""
	h.Capacity, h.Fabrics, h.Architecture = maps.Clone(o.Capacity), notNil(o.Fabrics), o.Architecture
	h.Labels, h.State, h.ObservedAt = o.Labels, core.PlaceReady, &at
	if err := w.warnFabrics("host", h.Name, h.Fabrics); err != nil {
		return err
	}
	if !added {
		return w.tx.Hosts().Update(h)
	}
	if err := w.tx.Hosts().Insert(h); err != nil {
		return err
	}
	return w.emit(w.tx, "host.created", core.ResourceRef{Kind: "host", ID: h.ID, Name: h.Name}, "", "")
}

// router adds or updates the row of a router.
func (w *view) router(o provider.Router) error {
	_, routers, err := w.own()
	if err != nil {
		return err
	}
	at := w.now()
	i := slices.IndexFunc(routers, func(r core.Router) bool { return r.BackendID == o.ID })
	if i < 0 {
		routers, i = []core.Router{{Provider: w.provider.ID, BackendID: o.ID}}, 0
		if routers[0].Meta, err = w.newPlace(o.Name, o.ID, "router", func(name string) error {
			_, err := core.FindRouter(w.tx, name)
			return err
		}); err != nil {
			return err
		}
	}
	r := routers[i]
	added := r.State == ""
	r.Fabrics, r.Endpoint, r.MTU, r.MaxNetworks = notNil(o.Fabrics), nil, o.MTU, o.MaxNetworks
	if o.Endpoint != nil {
		e := core.Endpoint(*o.Endpoint)
		r.Endpoint = &e
	}
	r.Labels, r.State, r.ObservedAt = o.Labels, core.PlaceReady, &at
	if err := w.warnFabrics("router", r.Name, r.Fabrics); err != nil {
		return err
	}
	if !added {
		return w.tx.Routers().Update(r)
	}
	if err := w.tx.Routers().Insert(r); err != nil {
		return err
	}
	return w.emit(w.tx, "router.created", core.ResourceRef{Kind: "router", ID: r.ID, Name: r.Name}, "", "")
}

// newPlace returns the head of a new row, with a name of its own.
func (w *view) newPlace(reported, backendID, kind string, find func(name string) error) (core.Meta, error) {
	name := placeName(reported, kind)
	for n := 2; ; n++ {
		switch err := find(name); {
		case fault.ReasonOf(err) == fault.UnknownResource:
			return core.New{Name: name}.Meta(w.newID(), w.now), nil
		case err != nil:
			return core.Meta{}, err
		case n > 1000:
			return core.Meta{}, fault.New(fault.NameTaken, "no name is left for %s %s of provider %s", kind, backendID, w.provider.Name)
		}
		name = fmt.Sprintf("%s-%d", placeName(reported, kind), n)
	}
}

// placeName makes a DNS label of what a machine calls itself: "Node1.example.org" becomes "node1".
func placeName(reported, kind string) string {
	first, _, _ := strings.Cut(strings.ToLower(reported), ".")
	name := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, first), "-")
	if len(name) > 50 {
		name = strings.Trim(name[:50], "-")
	}
	if len(core.New{Name: name}.Check()) > 0 {
		name = strings.Trim(kind+"-"+name, "-")
	}
	return name
}

// warnFabrics logs the fabrics that a machine names and no operator made: a mistake in one of the two.
func (w *view) warnFabrics(kind, name string, fabrics []string) error {
	for _, f := range fabrics {
		_, err := core.FindFabric(w.tx, f)
		if fault.ReasonOf(err) == fault.UnknownResource {
			w.log.Warn("a provider's configuration names a fabric that does not exist", "provider", w.provider.Name, kind, name, "fabric", f)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
