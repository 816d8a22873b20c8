// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"

	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// Hosts, routers and pools are watched like resources, but are nobody's to apply or remove.
const (
	kindPool   provider.Kind = "pool"
	kindHost   provider.Kind = "host"
	kindRouter provider.Kind = "router"
)

// source is one kind of thing that a watch shows.
type source struct {
	kind provider.Kind
	all  func(context.Context) (map[string]wire.Event, error)
	one  func(context.Context, string) (wire.Event, error) // nil for hosts, routers and pools
	stop func(context.Context, string) wire.Outcome        // likewise
}

func (r *resource[S, O]) source() source {
	return source{
		kind: r.kind,
		all: func(ctx context.Context) (map[string]wire.Event, error) {
			objects, err := r.all(ctx)
			events := make(map[string]wire.Event, len(objects))
			for _, o := range objects {
				events[r.observed(&o).ID] = r.event(o)
			}
			return events, err
		},
		one: func(ctx context.Context, id string) (wire.Event, error) {
			o, err := r.look(ctx, id)
			return r.event(o), err
		},
		stop: r.stop,
	}
}

func hostSource(e *Engine, p provider.Instances) source {
	return source{kind: kindHost, all: func(ctx context.Context) (map[string]wire.Event, error) {
		hosts, err := read(ctx, e, "list hosts", wire.CallTimeout, p.ListHosts)
		events := make(map[string]wire.Event, len(hosts))
		for _, h := range hosts {
			events[h.ID] = wire.Event{Host: &h}
		}
		return events, err
	}}
}

func routerSource(e *Engine, p provider.Networks) source {
	return source{kind: kindRouter, all: func(ctx context.Context) (map[string]wire.Event, error) {
		routers, err := read(ctx, e, "list routers", wire.CallTimeout, p.ListRouters)
		events := make(map[string]wire.Event, len(routers))
		for _, r := range routers {
			events[r.ID] = wire.Event{Router: &r}
		}
		return events, err
	}}
}

func poolSource(e *Engine, p provider.Volumes) source {
	return source{kind: kindPool, all: func(ctx context.Context) (map[string]wire.Event, error) {
		pools, err := read(ctx, e, "list pools", wire.CallTimeout, p.ListPools)
		events := make(map[string]wire.Event, len(pools))
		for _, p := range pools {
			events[p.ID] = wire.Event{Pool: &p}
		}
		return events, err
	}}
}
