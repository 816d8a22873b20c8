// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"iter"
	"time"
)

// Host is a machine that runs instances, as its provider reports it.
type Host struct {
	Meta
	Provider     string           `json:"provider"`            // id
	BackendID    string           `json:"backend_id"`          // the machine's own stable id
	Capacity     map[string]int64 `json:"capacity"`            // in all, by unit: vcpus, memory_bytes, disk_bytes
	Allocated    map[string]int64 `json:"allocated,omitempty"` // promised to instances
	Fabrics      []string         `json:"fabrics"`
	Architecture string           `json:"architecture,omitempty"`
	Cordoned     bool             `json:"cordoned"`
	State        string           `json:"state"` // PlaceReady or PlaceUnreachable
	ObservedAt   *time.Time       `json:"observed_at,omitempty"`
}

// The states of hosts and routers.
const (
	PlaceReady       = "ready"
	PlaceUnreachable = "unreachable"
)

// Hosts is the client of /v1/hosts.
type Hosts struct{ t *transport }

// List returns one page and the cursor of the next.
func (s *Hosts) List(ctx context.Context, page Page) ([]Host, string, error) {
	return getPage[Host](ctx, s.t, "/v1/hosts", nil, page)
}

// All walks through every host.
func (s *Hosts) All(ctx context.Context) iter.Seq2[Host, error] {
	return all(func(p Page) ([]Host, string, error) { return s.List(ctx, p) })
}

// Get returns a host; fault.UnknownResource if there is none.
func (s *Hosts) Get(ctx context.Context, host string) (Host, error) {
	return get[Host](ctx, s.t, "hosts", host)
}

// Cordon keeps new instances away from a host.
func (s *Hosts) Cordon(ctx context.Context, host string) (Host, error) {
	return act[Host](ctx, s.t, "cordon", nil, "hosts", host)
}

// Uncordon lets new instances come to a host again.
func (s *Hosts) Uncordon(ctx context.Context, host string) (Host, error) {
	return act[Host](ctx, s.t, "uncordon", nil, "hosts", host)
}
