// SPDX-License-Identifier: Apache-2.0

// Package place is what operators do with the places of a cloud: hosts, routers and the fabrics between them.
package place

import (
	"context"

	"github.com/rhyzome/rhyzome/core"
)

// Service implements the use cases of hosts, routers and fabrics.
type Service struct {
	store core.Store
	now   core.Clock
	newID core.NewID
}

// New returns the use cases over a store.
func New(store core.Store, now core.Clock, newID core.NewID) *Service {
	return &Service{store: store, now: now, newID: newID}
}

// ListHosts returns a page of hosts.
func (s *Service) ListHosts(ctx context.Context, page core.Page) (rows []core.Host, next string, err error) {
	err = s.store.View(ctx, func(tx core.Tx) error {
		rows, next, err = core.List(tx.Hosts(), core.Query{Page: page}, func(h core.Host) string { return h.ID })
		return err
	})
	return rows, next, err
}

// GetHost returns a host by id or name.
func (s *Service) GetHost(ctx context.Context, host string) (h core.Host, err error) {
	err = s.store.View(ctx, func(tx core.Tx) error {
		h, err = core.FindHost(tx, host)
		return err
	})
	return h, err
}

// CordonHost keeps new instances away from a host, or lets them come again. Instances on it stay.
func (s *Service) CordonHost(ctx context.Context, host string, cordoned bool) (h core.Host, err error) {
	err = s.store.Update(ctx, func(tx core.Tx) error {
		if h, err = core.FindHost(tx, host); err != nil || h.Cordoned == cordoned {
			return err
		}
		h.Cordoned, h.UpdatedAt = cordoned, s.now()
		h.Generation++
		if err := tx.Hosts().Update(h); err != nil {
			return err
		}
		return s.emit(tx, "host.updated", core.ResourceRef{Kind: "host", ID: h.ID, Name: h.Name})
	})
	return h, err
}

// ListRouters returns a page of routers.
func (s *Service) ListRouters(ctx context.Context, page core.Page) (rows []core.Router, next string, err error) {
	err = s.store.View(ctx, func(tx core.Tx) error {
		rows, next, err = core.List(tx.Routers(), core.Query{Page: page}, func(r core.Router) string { return r.ID })
		return err
	})
	return rows, next, err
}

// GetRouter returns a router by id or name.
func (s *Service) GetRouter(ctx context.Context, router string) (r core.Router, err error) {
	err = s.store.View(ctx, func(tx core.Tx) error {
		r, err = core.FindRouter(tx, router)
		return err
	})
	return r, err
}

func (s *Service) emit(tx core.Tx, what string, ref core.ResourceRef) error {
	return tx.Emit(core.Event{At: s.now(), Type: what, Resource: ref})
}
