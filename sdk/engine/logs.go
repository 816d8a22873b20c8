// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"log/slog"
	"maps"

	"github.com/rhyzome/rhyzome/sdk/wire"
)

// shipper is a slog.Handler that passes records on, and to the cores that watch from Info up.
type shipper struct {
	next       slog.Handler
	watches    *watches
	prefix     string // of open groups: "a.b."
	attributes map[string]string
}

// Enabled implements slog.Handler.
func (s *shipper) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || s.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (s *shipper) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelInfo {
		record := wire.LogRecord{At: r.Time.UTC(), Level: r.Level, Message: r.Message, Attributes: maps.Clone(s.attributes)}
		if record.Attributes == nil {
			record.Attributes = map[string]string{}
		}
		r.Attrs(func(a slog.Attr) bool {
			flatten(record.Attributes, s.prefix, a)
			return true
		})
		s.watches.log(record)
	}
	if !s.next.Enabled(ctx, r.Level) {
		return nil
	}
	return s.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (s *shipper) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *s
	c.next = s.next.WithAttrs(attrs)
	c.attributes = maps.Clone(s.attributes)
	if c.attributes == nil {
		c.attributes = map[string]string{}
	}
	for _, a := range attrs {
		flatten(c.attributes, s.prefix, a)
	}
	return &c
}

// WithGroup implements slog.Handler.
func (s *shipper) WithGroup(name string) slog.Handler {
	c := *s
	c.next = s.next.WithGroup(name)
	c.prefix = s.prefix + name + "."
	return &c
}

// flatten writes an attribute, and those of a group with the group's name before theirs.
func flatten(to map[string]string, prefix string, a slog.Attr) {
	value := a.Value.Resolve()
	if value.Kind() != slog.KindGroup {
		to[prefix+a.Key] = value.String()
		return
	}
	if a.Key != "" {
		prefix += a.Key + "."
	}
	for _, inner := range value.Group() {
		flatten(to, prefix, inner)
	}
}
