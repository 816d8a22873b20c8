// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"iter"
	"time"
)

// Router is a machine that carries networks, as its provider reports it.
type Router struct {
	Meta
	Provider    string     `json:"provider"`   // id
	BackendID   string     `json:"backend_id"` // the machine's own stable id
	Fabrics     []string   `json:"fabrics"`
	Endpoint    *Endpoint  `json:"endpoint,omitempty"` // where peers reach it; without one, peers cannot be created
	MTU         int        `json:"mtu"`
	MaxNetworks int        `json:"max_networks,omitempty"`
	State       string     `json:"state"` // PlaceReady or PlaceUnreachable
	ObservedAt  *time.Time `json:"observed_at,omitempty"`
}

// Endpoint is where peers reach a router from outside.
type Endpoint struct {
	Host           string `json:"host"`
	PortMin        int    `json:"port_min"`
	PortMax        int    `json:"port_max"`
	OutsidePortMin int    `json:"outside_port_min,omitempty"` // where a NAT changes the ports
}

// Routers is the client of /v1/routers.
type Routers struct{ t *transport }

// List returns one page and the cursor of the next.
func (s *Routers) List(ctx context.Context, page Page) ([]Router, string, error) {
	return getPage[Router](ctx, s.t, "/v1/routers", nil, page)
}

// All walks through every router.
func (s *Routers) All(ctx context.Context) iter.Seq2[Router, error] {
	return all(func(p Page) ([]Router, string, error) { return s.List(ctx, p) })
}

// Get returns a router; fault.UnknownResource if there is none.
func (s *Routers) Get(ctx context.Context, router string) (Router, error) {
	return get[Router](ctx, s.t, "routers", router)
}
