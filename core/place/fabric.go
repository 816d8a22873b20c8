// SPDX-License-Identifier: Apache-2.0

package place

import (
	"context"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// CreateFabric adds a fabric. Hosts and routers reach it when their configuration names it.
func (s *Service) CreateFabric(ctx context.Context, req core.New, spec core.FabricSpec) (core.Fabric, error) {
	if err := fault.Join(append(req.Check(), checkFabric(spec)...)...); err != nil {
		return core.Fabric{}, err
	}
	f := core.Fabric{Meta: req.Meta(s.newID(), s.now), Spec: spec}
	err := s.store.Update(ctx, func(tx core.Tx) error {
		if err := tx.Fabrics().Insert(f); err != nil {
			return err
		}
		return s.emit(tx, "fabric.created", fabricRef(f))
	})
	if err != nil {
		return core.Fabric{}, err
	}
	return f, nil
}

func checkFabric(spec core.FabricSpec) []*fault.Error {
	var all []*fault.Error
	if spec.Kind != "vlan" {
		all = append(all, fault.Invalid("/spec/kind", "%q is not a kind of fabric; use vlan", spec.Kind))
	}
	lowGood := spec.SegmentMin >= 1 && spec.SegmentMin <= 4094
	if !lowGood {
		all = append(all, fault.Invalid("/spec/segment_min", "%d is not a VLAN id; use 1 to 4094", spec.SegmentMin))
	}
	switch {
	case spec.SegmentMax < 1 || spec.SegmentMax > 4094:
		all = append(all, fault.Invalid("/spec/segment_max", "%d is not a VLAN id; use 1 to 4094", spec.SegmentMax))
	case lowGood && spec.SegmentMax < spec.SegmentMin:
		all = append(all, fault.Invalid("/spec/segment_max", "%d is below segment_min; use %d or more", spec.SegmentMax, spec.SegmentMin))
	}
	return all
}

// ListFabrics returns a page of fabrics.
func (s *Service) ListFabrics(ctx context.Context, page core.Page) (rows []core.Fabric, next string, err error) {
	err = s.store.View(ctx, func(tx core.Tx) error {
		rows, next, err = core.List(tx.Fabrics(), core.Query{Page: page}, func(f core.Fabric) string { return f.ID })
		return err
	})
	return rows, next, err
}

// GetFabric returns a fabric by id or name.
func (s *Service) GetFabric(ctx context.Context, fabric string) (f core.Fabric, err error) {
	err = s.store.View(ctx, func(tx core.Tx) error {
		f, err = core.FindFabric(tx, fabric)
		return err
	})
	return f, err
}

// DeleteFabric removes a fabric that no network uses; HasChildren names those that do.
func (s *Service) DeleteFabric(ctx context.Context, fabric string) error {
	return s.store.Update(ctx, func(tx core.Tx) error {
		f, err := core.FindFabric(tx, fabric)
		if err != nil {
			return err
		}
		used, err := networksOn(tx, f)
		if err != nil {
			return err
		}
		if err := core.HasChildren("fabric "+f.Name, used); err != nil {
			return err
		}
		if err := tx.Fabrics().Delete(f.ID); err != nil {
			return err
		}
		return s.emit(tx, "fabric.deleted", fabricRef(f))
	})
}

func networksOn(tx core.Tx, f core.Fabric) ([]string, error) {
	networks, err := core.All(tx.Networks(), core.Query{}, func(n core.Network) string { return n.ID })
	if err != nil {
		return nil, err
	}
	var names []string
	for _, n := range networks {
		if n.Status.Fabric == f.Name {
			names = append(names, "network "+n.Name)
		}
	}
	return names, nil
}

func fabricRef(f core.Fabric) core.ResourceRef {
	return core.ResourceRef{Kind: "fabric", ID: f.ID, Name: f.Name}
}
