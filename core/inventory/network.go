// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// network takes in what is observed of one. Only ready and unknown follow what is observed. A router that made itself a
// new key has to be believed: peers need the key that it has.
func (w *view) network(o provider.Network) error {
	n, whose, err := w.findNetwork(o.ID)
	if err != nil {
		return err
	}
	if whose != mine {
		return w.strange(whose, provider.KindNetwork, o.Observed)
	}
	if n.Status.State != core.NetworkReady && n.Status.State != core.NetworkUnknown {
		return nil
	}
	before := n
	if o.Phase == provider.PhaseReady {
		n.Status.State, n.Status.Message = core.NetworkReady, ""
		if wg := n.Status.WireGuard; wg != nil && core.CheckPublicKey("", o.WireGuardPublicKey) == nil {
			changed := *wg
			changed.PublicKey = o.WireGuardPublicKey
			n.Status.WireGuard = &changed
		}
	}
	if o.Phase == provider.PhaseFailed && n.Status.Operation == "" {
		n.Status.State, n.Status.Message = core.NetworkUnknown, failure(o.Observed)
	}
	return w.saveNetwork(before, n)
}

// findNetwork returns the row of a network, and whose it is.
func (w *view) findNetwork(id string) (core.Network, whose, error) {
	n, found, err := known(w.tx.Networks(), id)
	if err != nil || !found || n.Status.Router == "" {
		return n, nobodys, err
	}
	r, err := w.tx.Routers().Get(n.Status.Router)
	if err == nil && r.Provider == w.provider.ID {
		return n, mine, nil
	}
	return n, others, err
}

// networkMissing marks a network that should be there and is not.
func (w *view) networkMissing(id, why string) error {
	n, whose, err := w.findNetwork(id)
	if err != nil || whose != mine || n.Status.Operation != "" {
		return err
	}
	return w.loseNetwork(n, why)
}

func (w *view) loseNetwork(n core.Network, why string) error {
	if n.Status.State != core.NetworkReady && n.Status.State != core.NetworkUnknown {
		return nil
	}
	before := n
	n.Status.State, n.Status.Message = core.NetworkUnknown, why
	return w.saveNetwork(before, n)
}

// saveNetwork stores what changed, and tells when the state or the key did.
func (w *view) saveNetwork(before, n core.Network) error {
	at := w.now()
	a, b := before.Status, n.Status
	rekeyed := a.WireGuard != nil && a.WireGuard.PublicKey != b.WireGuard.PublicKey
	changed := a.State != b.State || rekeyed
	if !changed && a.Message == b.Message && a.ObservedAt != nil && at.Sub(*a.ObservedAt) < observedEvery {
		return nil
	}
	n.Status.ObservedAt = &at
	if err := w.tx.Networks().Update(n); err != nil || !changed {
		return err
	}
	message := string(b.State)
	if rekeyed {
		message = "the router has a new WireGuard key; peers need it"
	}
	return w.emit(w.tx, "network.updated", core.ResourceRef{Kind: "network", ID: n.ID, Name: n.Name}, n.Project, message)
}

func (w *view) networksOn(r core.Router) ([]core.Network, error) {
	return core.All(w.tx.Networks(), core.Query{Parent: r.ID}, func(n core.Network) string { return n.ID })
}
