// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func volumeMutants() []mutant {
	return []mutant{
		{name: "invents pools", caught: "VOLUME-POOLS-001",
			provider: func(p *memory.Provider) provider.Provider { return newPools{broken{p}, time.Now().String()} }},
		{name: "does not grow", caught: "VOLUME-SIZE-001",
			provider: func(p *memory.Provider) provider.Provider { return neverGrows{broken{p}} }},
		{name: "shrinks volumes", caught: "VOLUME-SIZE-001", unary: pardons(fault.InvalidField)},
		{name: "attaches once and for all", caught: "VOLUME-ATTACH-001",
			provider: func(p *memory.Provider) provider.Provider { return neverDetaches{broken{p}} }},
		{name: "deletes volumes with their instance", caught: "VOLUME-ATTACH-002",
			provider: func(p *memory.Provider) provider.Provider { return deletesAttached{broken{p}} }},
		{name: "makes volumes of nothing", caught: "VOLUME-IMAGE-001",
			provider: func(p *memory.Provider) provider.Provider { return needsNoContent{broken{p}} }},
	}
}

type newPools struct {
	broken
	id string
}

func (m newPools) ListPools(ctx context.Context) ([]provider.Pool, error) {
	all, err := m.Provider.ListPools(ctx)
	for i := range all {
		all[i].ID = m.id
	}
	return all, err
}

type neverGrows struct{ broken }

func (m neverGrows) ApplyVolume(ctx context.Context, s provider.VolumeSpec, progress provider.Progress) (provider.Volume, error) {
	if v, err := m.GetVolume(ctx, s.ID); err == nil {
		s.SizeBytes = v.SizeBytes
	}
	return m.Provider.ApplyVolume(ctx, s, progress)
}

type neverDetaches struct{ broken }

func (m neverDetaches) ApplyVolume(ctx context.Context, s provider.VolumeSpec, progress provider.Progress) (provider.Volume, error) {
	if v, err := m.GetVolume(ctx, s.ID); err == nil && v.InstanceID != "" {
		s.InstanceID = v.InstanceID
	}
	return m.Provider.ApplyVolume(ctx, s, progress)
}

type deletesAttached struct{ broken }

func (m deletesAttached) DeleteInstance(ctx context.Context, id string, progress provider.Progress) error {
	volumes, err := m.ListVolumes(ctx)
	if err != nil {
		return err
	}
	for _, v := range volumes {
		if v.InstanceID != id {
			continue
		}
		if err := m.DeleteVolume(ctx, v.ID, progress); err != nil {
			return err
		}
	}
	return m.Provider.DeleteInstance(ctx, id, progress)
}

type needsNoContent struct{ broken }

func (m needsNoContent) ApplyVolume(ctx context.Context, s provider.VolumeSpec, progress provider.Progress) (provider.Volume, error) {
	s.Image = nil
	return m.Provider.ApplyVolume(ctx, s, progress)
}
