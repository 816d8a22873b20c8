// SPDX-License-Identifier: Apache-2.0

// Package project is what operators do with projects.
package project

import (
	"context"
	"slices"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Service implements the project use cases.
type Service struct {
	store core.Store
	now   core.Clock
	newID core.NewID
}

// New returns the use cases over a store.
func New(store core.Store, now core.Clock, newID core.NewID) *Service {
	return &Service{store: store, now: now, newID: newID}
}

// Create adds a project; NameTaken if there is one of that name.
func (s *Service) Create(ctx context.Context, req core.New) (core.Project, error) {
	if err := fault.Join(req.Check()...); err != nil {
		return core.Project{}, err
	}
	p := core.Project{Meta: req.Meta(s.newID(), s.now)}
	err := s.store.Update(ctx, func(tx core.Tx) error {
		if err := tx.Projects().Insert(p); err != nil {
			return err
		}
		return s.emit(tx, p, "project.created")
	})
	if err != nil {
		return core.Project{}, err
	}
	return p, nil
}

// List returns a page of projects.
func (s *Service) List(ctx context.Context, page core.Page) (rows []core.Project, next string, err error) {
	err = s.store.View(ctx, func(tx core.Tx) error {
		rows, next, err = core.List(tx.Projects(), core.Query{Page: page}, func(p core.Project) string { return p.ID })
		return err
	})
	return rows, next, err
}

// Get returns a project by id or name.
func (s *Service) Get(ctx context.Context, project string) (p core.Project, err error) {
	err = s.store.View(ctx, func(tx core.Tx) error {
		p, err = core.FindProject(tx, project)
		return err
	})
	return p, err
}

// Delete removes a project that owns nothing; HasChildren names what it owns.
func (s *Service) Delete(ctx context.Context, project string) error {
	return s.store.Update(ctx, func(tx core.Tx) error {
		p, err := core.FindProject(tx, project)
		if err != nil {
			return err
		}
		owned, err := children(tx, p)
		if err != nil {
			return err
		}
		if err := core.HasChildren("project "+p.Name, owned); err != nil {
			return err
		}
		if err := tx.Projects().Delete(p.ID); err != nil {
			return err
		}
		return s.emit(tx, p, "project.deleted")
	})
}

// children names what the project owns. Ports and peers are owned by networks.
func children(tx core.Tx, p core.Project) ([]string, error) {
	instances, err := namesOf(tx.Instances(), p, "instance", func(i core.Instance) core.Meta { return i.Meta })
	if err != nil {
		return nil, err
	}
	networks, err := namesOf(tx.Networks(), p, "network", func(n core.Network) core.Meta { return n.Meta })
	if err != nil {
		return nil, err
	}
	images, err := namesOf(tx.Images(), p, "image", func(i core.Image) core.Meta { return i.Meta })
	if err != nil {
		return nil, err
	}
	return slices.Concat(instances, networks, images), nil
}

func namesOf[T any](t core.Table[T], p core.Project, kind string, meta func(T) core.Meta) ([]string, error) {
	rows, err := core.All(t, core.Query{Project: p.ID}, func(row T) string { return meta(row).ID })
	if err != nil {
		return nil, err
	}
	names := make([]string, len(rows))
	for i, row := range rows {
		names[i] = kind + " " + meta(row).Name
	}
	return names, nil
}

func (s *Service) emit(tx core.Tx, p core.Project, what string) error {
	return tx.Emit(core.Event{
		At: s.now(), Type: what, Project: p.ID,
		Resource: core.ResourceRef{Kind: "project", ID: p.ID, Name: p.Name},
	})
}
