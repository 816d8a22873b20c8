// SPDX-License-Identifier: Apache-2.0

package compute

import (
	"context"
	"fmt"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/operation"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Delete records the operation that will remove an instance with its ports.
func (s *Service) Delete(ctx context.Context, project, instance string) (core.Operation, error) {
	return s.accept(ctx, func(tx core.Tx) (core.Operation, error) {
		i, err := find(tx, project, instance)
		if err != nil {
			return core.Operation{}, err
		}
		op, err := s.runner.Accept(tx, operation.Request{
			Kind: kindDelete, Project: i.Project, Resource: refOf(i), Parents: parentsOf(i),
		})
		if err != nil {
			return op, err
		}
		i.Status.State, i.Status.Message, i.Status.Operation = core.InstanceDeleting, "", op.ID
		return op, s.save(tx, i)
	})
}

func (s *Service) deletePlan() operation.Plan {
	return operation.Plan{
		Kind: kindDelete,
		Steps: []operation.Step{
			{Name: "delete instance", Do: s.deleteInstance},
			{Name: "delete ports", Do: s.deletePorts},
		},
		Forward:   true,
		Ended:     s.deleted,
		Leftovers: s.leftovers,
	}
}

// deleteInstance removes the instance from its host, if it ever came to one.
func (s *Service) deleteInstance(ctx context.Context, r *operation.Run) error {
	at, err := s.locate(ctx, r.Operation.Resource.ID)
	if fault.ReasonOf(err) == fault.ProviderRevoked {
		return nil // nobody can remove it there any more
	}
	if err != nil || at.provider == nil {
		return err
	}
	return at.provider.DeleteInstance(ctx, r.Fence, provider.Tag{ID: at.spec.ID}, r.Progress)
}

func (s *Service) deletePorts(ctx context.Context, r *operation.Run) error {
	i, err := s.read(ctx, r.Operation.Resource.ID)
	if err != nil {
		return err
	}
	return s.networks.DeletePorts(ctx, r, i)
}

// deleted drops the row, and with it everything that the instance held. One whose deletion was abandoned may still be
// there: it keeps what it holds until it is deleted again, so that nobody else gets its addresses.
func (s *Service) deleted(tx core.Tx, op core.Operation) error {
	i, err := tx.Instances().Get(op.Resource.ID)
	if err != nil {
		return err
	}
	if op.State == core.OperationAbandoned {
		i.Status.Operation, i.Status.State, i.Status.Message = "", core.InstanceError, outcome(op)
		return s.save(tx, i)
	}
	if err := s.networks.RemovePorts(tx, i.ID); err != nil {
		return err
	}
	if err := tx.Instances().Delete(i.ID); err != nil {
		return err
	}
	if err := recount(tx, i.Status.Host); err != nil {
		return err
	}
	return s.emit(tx, i, "instance.deleted", string(op.State))
}

// leftovers says what may stay on the host and the routers if the operation is given up.
func (s *Service) leftovers(tx core.Tx, op core.Operation) ([]string, error) {
	i, err := tx.Instances().Get(op.Resource.ID)
	if err != nil || i.Status.Host == "" {
		return nil, err
	}
	all := []string{fmt.Sprintf("instance %s (%s) on host %s, with its disk", i.Name, i.ID, i.Status.HostName)}
	for _, p := range i.Status.Ports {
		all = append(all, fmt.Sprintf("lease and name of port %s (%s) on network %s", p.ID, p.DNSName, p.NetworkName))
	}
	return all, nil
}
