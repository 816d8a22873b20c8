// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// ListPeers returns a page of a network's peers.
func (s *Service) ListPeers(ctx context.Context, project, network string, page core.Page) (rows []core.Peer, next string, err error) {
	err = s.store.View(ctx, func(tx core.Tx) error {
		_, n, err := find(tx, project, network)
		if err != nil {
			return err
		}
		rows, next, err = core.List(tx.Peers(), core.Query{Parent: n.ID, Page: page}, peerID)
		return err
	})
	return rows, next, err
}

// GetPeer returns a peer by id or name.
func (s *Service) GetPeer(ctx context.Context, project, network, peer string) (row core.Peer, err error) {
	err = s.store.View(ctx, func(tx core.Tx) error {
		_, row, err = findPeer(tx, project, network, peer)
		return err
	})
	return row, err
}

func findPeer(tx core.Tx, project, network, peer string) (core.Network, core.Peer, error) {
	_, n, err := find(tx, project, network)
	if err != nil {
		return n, core.Peer{}, err
	}
	row, err := core.FindPeer(tx, n, peer)
	return n, row, err
}

func peersOf(tx core.Tx, n core.Network) ([]core.Peer, error) {
	return core.All(tx.Peers(), core.Query{Parent: n.ID}, peerID)
}

// locatedPeer is a peer's spec and the provider that carries its network: nil if the peer was undone and is nowhere.
type locatedPeer struct {
	spec     provider.PeerSpec
	provider core.NetworkProvider
}

// locatePeer reads a peer and finds its provider; ProviderAway if that is not attached.
func (s *Service) locatePeer(ctx context.Context, id string) (locatedPeer, error) {
	var at locatedPeer
	var p core.Peer
	err := s.store.View(ctx, func(tx core.Tx) (err error) {
		p, err = tx.Peers().Get(id)
		return err
	})
	if err != nil || len(p.Status.Addresses) == 0 {
		return at, err
	}
	at.spec = provider.PeerSpec{NetworkID: p.Network, PublicKey: p.Spec.PublicKey}
	if at.spec.Addresses, err = addressesOf(p.Status.Addresses); err != nil {
		return at, err
	}
	if at.spec.Tag, err = core.TagOf(p.ID, p.Generation, at.spec); err != nil {
		return at, err
	}
	on, err := s.locate(ctx, p.Network)
	at.provider = on.provider
	return at, err
}

func (s *Service) emitPeer(tx core.Tx, p core.Peer, what, message string) error {
	return tx.Emit(core.Event{At: s.now(), Type: what, Project: p.Project, Resource: peerRef(p), Message: message})
}

func peerRef(p core.Peer) core.ResourceRef {
	return core.ResourceRef{Kind: "peer", ID: p.ID, Name: p.Name}
}

func peerID(p core.Peer) string { return p.ID }
