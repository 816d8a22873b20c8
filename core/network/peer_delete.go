// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/operation"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// DeletePeer records the operation that will shut a peer out.
func (s *Service) DeletePeer(ctx context.Context, project, network, peer string) (op core.Operation, err error) {
	err = s.store.Update(ctx, func(tx core.Tx) error {
		op, err = s.acceptDeletePeer(tx, project, network, peer)
		return err
	})
	if err != nil {
		return core.Operation{}, err
	}
	s.runner.Wake()
	return op, nil
}

func (s *Service) acceptDeletePeer(tx core.Tx, project, network, peer string) (core.Operation, error) {
	n, p, err := findPeer(tx, project, network, peer)
	if err != nil {
		return core.Operation{}, err
	}
	op, err := s.runner.Accept(tx, operation.Request{
		Kind: kindDeletePeer, Project: n.Project, Resource: peerRef(p), Parents: []string{n.ID},
	})
	if err != nil {
		return op, err
	}
	p.Status.State, p.Status.Message, p.Status.Operation = core.PeerDeleting, "", op.ID
	p.UpdatedAt = s.now()
	if err := tx.Peers().Update(p); err != nil {
		return op, err
	}
	return op, s.emitPeer(tx, p, "peer.updated", string(p.Status.State))
}

func (s *Service) deletePeerPlan() operation.Plan {
	return operation.Plan{
		Kind:      kindDeletePeer,
		Steps:     []operation.Step{{Name: "delete peer", Do: s.deletePeer}},
		Forward:   true,
		Ended:     s.peerDeleted,
		Leftovers: peerLeftovers,
	}
}

// deletePeer removes the peer from its router, if it ever came to one.
func (s *Service) deletePeer(ctx context.Context, r *operation.Run) error {
	at, err := s.locatePeer(ctx, r.Operation.Resource.ID)
	if fault.ReasonOf(err) == fault.ProviderRevoked {
		return nil // nobody can shut it out there any more
	}
	if err != nil || at.provider == nil {
		return err
	}
	return at.provider.DeletePeer(ctx, r.Fence, provider.Tag{ID: at.spec.ID}, r.Progress)
}

// peerDeleted drops the row, and with it the peer's addresses. One whose deletion was abandoned may still be admitted: it
// keeps them until it is deleted again.
func (s *Service) peerDeleted(tx core.Tx, op core.Operation) error {
	p, err := tx.Peers().Get(op.Resource.ID)
	if err != nil {
		return err
	}
	if op.State == core.OperationAbandoned {
		p.Status.Operation, p.Status.State, p.Status.Message = "", core.PeerError, outcome(op)
		p.UpdatedAt = s.now()
		if err := tx.Peers().Update(p); err != nil {
			return err
		}
		return s.emitPeer(tx, p, "peer.updated", string(p.Status.State))
	}
	if err := tx.Peers().Delete(p.ID); err != nil {
		return err
	}
	return s.emitPeer(tx, p, "peer.deleted", string(op.State))
}
