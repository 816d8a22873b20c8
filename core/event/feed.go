// SPDX-License-Identifier: Apache-2.0

// Package event is the change feed: the events that the store keeps, and then new ones as they are committed. It makes
// no events; whoever changes something emits one in the same transaction.
package event

import (
	"context"
	"log/slog"

	"github.com/rhyzome/rhyzome/core"
)

// Source is the store, and its word that there is something new. core/store implements it.
type Source interface {
	core.Store
	// Changed returns a channel that closes with the next commit that brings events.
	Changed() <-chan struct{}
}

// Sizes of what is read at once, and of what may lie between the feed and a slow reader.
const (
	pageSize = 256
	buffer   = 64
)

// Feed hands events to subscribers.
type Feed struct {
	source Source
	log    *slog.Logger
}

// New returns a feed of the source's events.
func New(source Source, log *slog.Logger) *Feed { return &Feed{source: source, log: log} }

// Subscribe yields the events after a position, oldest first, then new ones as they are committed; the channel closes
// when ctx ends, or the store fails. A project, by id or name, selects its events; empty for all. UnknownResource if
// there is no such project.
//
// Each subscriber reads the store at its own pace, between transactions: a slow one keeps nobody waiting.
func (f *Feed) Subscribe(ctx context.Context, after int64, project string) (<-chan core.Event, error) {
	s := &subscriber{source: f.source, position: after, events: make(chan core.Event, buffer)}
	if project != "" {
		err := f.source.View(ctx, func(tx core.Tx) error {
			p, err := core.FindProject(tx, project)
			s.project = p.ID
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	go func() {
		defer close(s.events)
		if err := s.follow(ctx); err != nil && ctx.Err() == nil {
			f.log.ErrorContext(ctx, "the event feed ends", "error", err)
		}
	}()
	return s.events, nil
}

// subscriber is one reader's way through the events.
type subscriber struct {
	source   Source
	project  string // id; empty for all
	position int64  // of the last event that was read
	events   chan core.Event
}

func (s *subscriber) follow(ctx context.Context) error {
	for {
		changed := s.source.Changed() // before reading: what is committed afterwards closes it
		page, err := s.read(ctx)
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := s.yield(ctx, e); err != nil {
				return err
			}
		}
		if len(page) == pageSize {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (s *subscriber) read(ctx context.Context) (page []core.Event, err error) {
	err = s.source.View(ctx, func(tx core.Tx) error {
		page, err = tx.Events(s.position, pageSize)
		return err
	})
	return page, err
}

func (s *subscriber) yield(ctx context.Context, e core.Event) error {
	s.position = e.Position
	if s.project != "" && e.Project != s.project {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case s.events <- e:
		return nil
	}
}
