// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// peer takes in what is observed of one, as network does.
func (w *view) peer(o provider.Peer) error {
	p, whose, err := w.findPeer(o.ID)
	if err != nil {
		return err
	}
	if whose != mine {
		return w.strange(whose, provider.KindPeer, o.Observed)
	}
	if p.Status.State != core.PeerReady && p.Status.State != core.PeerUnknown {
		return nil
	}
	before := p
	if o.Phase == provider.PhaseReady {
		p.Status.State, p.Status.Message = core.PeerReady, ""
	}
	if o.Phase == provider.PhaseFailed && p.Status.Operation == "" {
		p.Status.State, p.Status.Message = core.PeerUnknown, failure(o.Observed)
	}
	return w.savePeer(before, p)
}

// findPeer returns the row of a peer, and whose it is: its network's.
func (w *view) findPeer(id string) (core.Peer, whose, error) {
	p, found, err := known(w.tx.Peers(), id)
	if err != nil || !found || len(p.Status.Addresses) == 0 {
		return p, nobodys, err
	}
	_, whose, err := w.findNetwork(p.Network)
	return p, whose, err
}

// peerMissing marks a peer that should be there and is not.
func (w *view) peerMissing(id, why string) error {
	p, whose, err := w.findPeer(id)
	if err != nil || whose != mine || p.Status.Operation != "" {
		return err
	}
	return w.losePeer(p, why)
}

func (w *view) losePeer(p core.Peer, why string) error {
	if p.Status.State != core.PeerReady && p.Status.State != core.PeerUnknown {
		return nil
	}
	before := p
	p.Status.State, p.Status.Message = core.PeerUnknown, why
	return w.savePeer(before, p)
}

// savePeer stores what changed, and tells when the state did.
func (w *view) savePeer(before, p core.Peer) error {
	at := w.now()
	a, b := before.Status, p.Status
	if a.State == b.State && a.Message == b.Message && a.ObservedAt != nil && at.Sub(*a.ObservedAt) < observedEvery {
		return nil
	}
	p.Status.ObservedAt = &at
	if err := w.tx.Peers().Update(p); err != nil || a.State == b.State {
		return err
	}
	return w.emit(w.tx, "peer.updated", core.ResourceRef{Kind: "peer", ID: p.ID, Name: p.Name}, p.Project, string(b.State))
}

func (w *view) peersOf(n core.Network) ([]core.Peer, error) {
	return core.All(w.tx.Peers(), core.Query{Parent: n.ID}, func(p core.Peer) string { return p.ID })
}
