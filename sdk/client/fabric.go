// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"iter"
)

// Fabric is an L2 domain that hosts and routers share. Hosts and routers name it in their configuration.
type Fabric struct {
	Meta
	Spec FabricSpec `json:"spec"`
}

// FabricSpec is what was asked.
type FabricSpec struct {
	Kind       string `json:"kind"`        // FabricVLAN
	SegmentMin int    `json:"segment_min"` // first VLAN id
	SegmentMax int    `json:"segment_max"` // last VLAN id, inclusive
}

// FabricVLAN is the kind of fabric whose segments are VLANs.
const FabricVLAN = "vlan"

// NewFabric asks for a fabric.
type NewFabric struct {
	Name        string            `json:"name"` // DNS label, fixed after creation
	DisplayName string            `json:"display_name,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Spec        FabricSpec        `json:"spec"`
}

// Fabrics is the client of /v1/fabrics.
type Fabrics struct{ t *transport }

// Create makes a fabric; fault.NameTaken if there is one with the name.
func (s *Fabrics) Create(ctx context.Context, fabric NewFabric) (Fabric, error) {
	return create[Fabric](ctx, s.t, fabric, "fabrics")
}

// List returns one page and the cursor of the next.
func (s *Fabrics) List(ctx context.Context, page Page) ([]Fabric, string, error) {
	return getPage[Fabric](ctx, s.t, "/v1/fabrics", nil, page)
}

// All walks through every fabric.
func (s *Fabrics) All(ctx context.Context) iter.Seq2[Fabric, error] {
	return all(func(p Page) ([]Fabric, string, error) { return s.List(ctx, p) })
}

// Get returns a fabric; fault.UnknownResource if there is none.
func (s *Fabrics) Get(ctx context.Context, fabric string) (Fabric, error) {
	return get[Fabric](ctx, s.t, "fabrics", fabric)
}

// Delete removes a fabric; fault.HasChildren while networks use it.
func (s *Fabrics) Delete(ctx context.Context, fabric string) error {
	return remove(ctx, s.t, "fabrics", fabric)
}
