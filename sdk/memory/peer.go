// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// peer is a pretended WireGuard peer.
type peer struct {
	Spec      provider.PeerSpec
	Made      bool
	Handshake int64
	Received  int64
	Sent      int64
}

func (p peer) observe() provider.Peer {
	return provider.Peer{
		Observed: observe(p.Spec.Tag, p.Made), NetworkID: p.Spec.NetworkID,
		LastHandshake: p.Handshake, ReceivedBytes: p.Received, SentBytes: p.Sent,
	}
}

var peerShelf = shelf[peer, provider.Peer]{
	kind:    provider.KindPeer,
	records: func(d *data) map[string]peer { return d.Peers },
	observe: peer.observe,
	unmake:  func(p peer) peer { p.Made = false; return p },
}

// ApplyPeer implements provider.Peers.
func (p networks) ApplyPeer(ctx context.Context, spec provider.PeerSpec, progress provider.Progress) (provider.Peer, error) {
	begin := func(d *data, r peer) (peer, error) {
		n, ok := d.Networks[spec.NetworkID]
		if !ok {
			return r, missing(provider.KindNetwork, spec.NetworkID)
		}
		if n.Spec.WireGuard == nil {
			return r, fault.New(fault.BadState, "network %s has no WireGuard endpoint", spec.NetworkID)
		}
		r.Spec, r.Made = spec, false
		return r, within(n.Spec.WireGuard.Subnets, spec.Addresses)
	}
	finish := func(r peer) peer { r.Made = true; return r }
	return peerShelf.apply(p.b.begin(ctx, "ApplyPeer", progress), spec.ID, []string{StepRoute}, begin, finish)
}

// GetPeer implements provider.Peers.
func (p networks) GetPeer(ctx context.Context, id string) (provider.Peer, error) {
	return peerShelf.get(p.b.begin(ctx, "GetPeer", nil), id)
}

// DeletePeer implements provider.Peers.
func (p networks) DeletePeer(ctx context.Context, id string, progress provider.Progress) error {
	return peerShelf.remove(p.b.begin(ctx, "DeletePeer", progress), id, nothing)
}

// ListPeers implements provider.Peers.
func (p networks) ListPeers(ctx context.Context) ([]provider.Peer, error) {
	return peerShelf.list(p.b.begin(ctx, "ListPeers", nil))
}

// Handshake pretends that a peer spoke: at, in Unix seconds, and how much went by since.
func (b *Backend) Handshake(id string, at, received, sent int64) error {
	return b.change(provider.KindPeer, id, func(d *data) error {
		p, ok := d.Peers[id]
		if !ok {
			return missing(provider.KindPeer, id)
		}
		p.Handshake, p.Received, p.Sent = at, p.Received+received, p.Sent+sent
		d.Peers[id] = p
		return nil
	})
}
