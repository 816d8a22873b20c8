// SPDX-License-Identifier: Apache-2.0

// Package image is what users do with images: rows in the store, content in a directory by its SHA-256.
package image

import (
	"context"
	"log/slog"
	"sync"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Service implements the image use cases.
type Service struct {
	store core.Store
	files content
	now   core.Clock
	newID core.NewID
	log   *slog.Logger

	// removing keeps content from being removed between the moment it was found in place and the commit of the row
	// that needs it.
	removing sync.Mutex
}

// New returns the use cases over a store and a directory, which it makes if needed and clears of what a dead process
// left: parts, and content that no row names.
func New(ctx context.Context, store core.Store, dir string, now core.Clock, newID core.NewID, log *slog.Logger) (*Service, error) {
	s := &Service{store: store, files: content{dir: dir}, now: now, newID: newID, log: log}
	if err := s.files.open(); err != nil {
		return nil, err
	}
	return s, s.sweep(ctx)
}

// Create adds an image that waits for its content.
func (s *Service) Create(ctx context.Context, project string, req core.New, spec core.ImageSpec) (i core.Image, err error) {
	if err := fault.Join(append(req.Check(), checkSpec(spec)...)...); err != nil {
		return core.Image{}, err
	}
	err = s.store.Update(ctx, func(tx core.Tx) error {
		p, err := core.FindProject(tx, project)
		if err != nil {
			return err
		}
		i = core.Image{
			Meta: req.Meta(s.newID(), s.now), Project: p.ID, Spec: spec,
			Status: core.ImageStatus{State: core.ImageWaiting},
		}
		if err := tx.Images().Insert(i); err != nil {
			return err
		}
		return s.emit(tx, i, "image.created")
	})
	return i, err
}

func checkSpec(spec core.ImageSpec) []*fault.Error {
	var all []*fault.Error
	switch spec.Format {
	case "qcow2", "raw", "kernel", "initrd":
	default:
		all = append(all, fault.Invalid("/spec/format", "%q is not a format; use qcow2, raw, kernel or initrd", spec.Format))
	}
	if spec.SHA256 != "" && !isDigest(spec.SHA256) {
		all = append(all, fault.Invalid("/spec/sha256", "use 64 of 0-9 and a-f, as sha256sum prints it, or leave it out"))
	}
	return all
}

// List returns a page of a project's images.
func (s *Service) List(ctx context.Context, project string, page core.Page) (rows []core.Image, next string, err error) {
	err = s.store.View(ctx, func(tx core.Tx) error {
		p, err := core.FindProject(tx, project)
		if err != nil {
			return err
		}
		rows, next, err = core.List(tx.Images(), core.Query{Project: p.ID, Page: page}, id)
		return err
	})
	return rows, next, err
}

// Get returns an image by id or name.
func (s *Service) Get(ctx context.Context, project, image string) (i core.Image, err error) {
	err = s.store.View(ctx, func(tx core.Tx) error {
		i, err = find(tx, project, image)
		return err
	})
	return i, err
}

func find(tx core.Tx, project, image string) (core.Image, error) {
	p, err := core.FindProject(tx, project)
	if err != nil {
		return core.Image{}, err
	}
	return core.FindImage(tx, p, image)
}

func (s *Service) emit(tx core.Tx, i core.Image, what string) error {
	return tx.Emit(core.Event{
		At: s.now(), Type: what, Project: i.Project,
		Resource: core.ResourceRef{Kind: "image", ID: i.ID, Name: i.Name},
	})
}

func id(i core.Image) string { return i.ID }
