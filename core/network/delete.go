// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"fmt"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/operation"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Delete records the operation that will remove a network. HasChildren names the instances and peers on it.
func (s *Service) Delete(ctx context.Context, project, network string) (op core.Operation, err error) {
	err = s.store.Update(ctx, func(tx core.Tx) error {
		op, err = s.acceptDelete(tx, project, network)
		return err
	})
	if err != nil {
		return core.Operation{}, err
	}
	s.runner.Wake()
	return op, nil
}

func (s *Service) acceptDelete(tx core.Tx, project, network string) (core.Operation, error) {
	p, n, err := find(tx, project, network)
	if err != nil {
		return core.Operation{}, err
	}
	if err := refuseUsed(tx, n); err != nil {
		return core.Operation{}, err
	}
	op, err := s.runner.Accept(tx, operation.Request{Kind: kindDelete, Project: p.ID, Resource: refOf(n)})
	if err != nil {
		return op, err
	}
	n.Status.State, n.Status.Message, n.Status.Operation = core.NetworkDeleting, "", op.ID
	n.UpdatedAt = s.now()
	if err := tx.Networks().Update(n); err != nil {
		return op, err
	}
	return op, s.emit(tx, n, "network.updated", string(n.Status.State))
}

func refuseUsed(tx core.Tx, n core.Network) error {
	ports, err := portsOf(tx, n)
	if err != nil {
		return err
	}
	var users []string
	for _, p := range ports {
		i, err := tx.Instances().Get(p.Instance)
		if err != nil {
			return err
		}
		users = append(users, "instance "+i.Name)
	}
	peers, err := peersOf(tx, n)
	if err != nil {
		return err
	}
	for _, p := range peers {
		users = append(users, "peer "+p.Name)
	}
	return core.HasChildren("network "+n.Name, users)
}

func (s *Service) deletePlan() operation.Plan {
	return operation.Plan{
		Kind:      kindDelete,
		Steps:     []operation.Step{{Name: "delete network", Do: s.deleteNetwork}},
		Forward:   true,
		Ended:     s.deleted,
		Leftovers: leftovers,
	}
}

// deleteNetwork removes the network from its router, if it ever came to one.
func (s *Service) deleteNetwork(ctx context.Context, r *operation.Run) error {
	at, err := s.locate(ctx, r.Operation.Resource.ID)
	if fault.ReasonOf(err) == fault.ProviderRevoked {
		return nil // nobody can remove it there any more
	}
	if err != nil || at.provider == nil {
		return err
	}
	return at.provider.DeleteNetwork(ctx, r.Fence, provider.Tag{ID: at.spec.ID}, r.Progress)
}

// deleted drops the row, and with it everything that the network held. One whose deletion was abandoned may still be
// there: it keeps what it holds until it is deleted again, so that nobody else gets its VLAN and ranges.
func (s *Service) deleted(tx core.Tx, op core.Operation) error {
	n, err := tx.Networks().Get(op.Resource.ID)
	if err != nil {
		return err
	}
	if op.State == core.OperationAbandoned {
		n.Status.Operation, n.Status.State, n.Status.Message = "", core.NetworkError, outcome(op)
		n.UpdatedAt = s.now()
		if err := tx.Networks().Update(n); err != nil {
			return err
		}
		return s.emit(tx, n, "network.updated", string(n.Status.State))
	}
	if err := tx.Networks().Delete(n.ID); err != nil {
		return err
	}
	return s.emit(tx, n, "network.deleted", string(op.State))
}

// leftovers says what may stay on the router if the operation is given up.
func leftovers(tx core.Tx, op core.Operation) ([]string, error) {
	n, err := tx.Networks().Get(op.Resource.ID)
	if err != nil || n.Status.Router == "" {
		return nil, err
	}
	r, err := tx.Routers().Get(n.Status.Router)
	if err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("network %s on router %s: interfaces rz_%s and rzw_%s, VLAN %d on fabric %s",
		n.Name, r.Name, n.Status.Handle, n.Status.Handle, n.Status.SegmentID, n.Status.Fabric)}, nil
}
