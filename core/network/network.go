// SPDX-License-Identifier: Apache-2.0

// Package network is what users do with networks and peers. Each use case has a file: first the half that runs inside
// the request, in one transaction, then the plan that runs after it. Everything is decided here (router, VLAN id,
// ranges, addresses, ports), so that a provider allocates nothing.
package network

import (
	"context"
	"io"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/operation"
)

// Service implements the use cases of networks and peers, and gives instances their ports.
type Service struct {
	store     core.Store
	providers core.Providers
	runner    *operation.Runner
	now       core.Clock
	newID     core.NewID
	random    io.Reader
}

// New returns the use cases over a store. random is where handles, MACs and the cloud's ULA prefix come from:
// crypto/rand.Reader. The plans are not registered yet.
func New(store core.Store, providers core.Providers, runner *operation.Runner, now core.Clock, newID core.NewID, random io.Reader) *Service {
	return &Service{store: store, providers: providers, runner: runner, now: now, newID: newID, random: random}
}

// Plans returns how the operations of networks and peers are carried out.
func (s *Service) Plans() []operation.Plan {
	return []operation.Plan{s.createPlan(), s.deletePlan(), s.createPeerPlan(), s.deletePeerPlan()}
}

// List returns a page of a project's networks.
func (s *Service) List(ctx context.Context, project string, page core.Page) (rows []core.Network, next string, err error) {
	err = s.store.View(ctx, func(tx core.Tx) error {
		p, err := core.FindProject(tx, project)
		if err != nil {
			return err
		}
		rows, next, err = core.List(tx.Networks(), core.Query{Project: p.ID, Page: page}, idOf)
		return err
	})
	return rows, next, err
}

// Get returns a network by id or name.
func (s *Service) Get(ctx context.Context, project, network string) (n core.Network, err error) {
	err = s.store.View(ctx, func(tx core.Tx) error {
		_, n, err = find(tx, project, network)
		return err
	})
	return n, err
}

func find(tx core.Tx, project, network string) (core.Project, core.Network, error) {
	p, err := core.FindProject(tx, project)
	if err != nil {
		return p, core.Network{}, err
	}
	n, err := core.FindNetwork(tx, p, network)
	return p, n, err
}

func (s *Service) emit(tx core.Tx, n core.Network, what, message string) error {
	return tx.Emit(core.Event{At: s.now(), Type: what, Project: n.Project, Resource: refOf(n), Message: message})
}

func refOf(n core.Network) core.ResourceRef {
	return core.ResourceRef{Kind: "network", ID: n.ID, Name: n.Name}
}

func idOf(n core.Network) string { return n.ID }

// outcome is what an ended operation leaves to say on its resource.
func outcome(op core.Operation) string {
	if op.Error != nil {
		return op.Error.Detail
	}
	return string(op.State)
}
