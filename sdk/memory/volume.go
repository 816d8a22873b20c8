// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"slices"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// volume is a pretended disk.
type volume struct {
	Spec     provider.VolumeSpec
	Made     bool
	Size     int64
	Attached string // the instance that has it
}

func (v volume) observe() provider.Volume {
	return provider.Volume{
		Observed: observe(v.Spec.Tag, v.Made), PoolID: v.Spec.PoolID, SizeBytes: v.Size, InstanceID: v.Attached,
	}
}

var volumeShelf = shelf[volume, provider.Volume]{
	kind:    provider.KindVolume,
	records: func(d *data) map[string]volume { return d.Volumes },
	observe: volume.observe,
	unmake:  func(v volume) volume { v.Made, v.Attached = false, ""; return v },
}

// ApplyVolume implements provider.Volumes. A disk is detached from where it was before it is attached anew.
func (p instances) ApplyVolume(ctx context.Context, spec provider.VolumeSpec, progress provider.Progress) (provider.Volume, error) {
	begin := func(d *data, v volume) (volume, error) {
		if err := d.holds(spec, v); err != nil {
			return v, err
		}
		v.Spec, v.Made = spec, false
		if v.Attached != spec.InstanceID {
			v.Attached = ""
		}
		return v, nil
	}
	finish := func(v volume) volume {
		v.Made, v.Size, v.Attached = true, spec.SizeBytes, spec.InstanceID
		return v
	}
	return volumeShelf.apply(p.b.begin(ctx, "ApplyVolume", progress), spec.ID, []string{StepDisk, StepAttach}, begin, finish)
}

// holds checks what only the backend knows: the pool and its room, the image's content, the instance and its host.
func (d *data) holds(spec provider.VolumeSpec, before volume) error {
	pools := d.pools()
	at := slices.IndexFunc(pools, func(p provider.Pool) bool { return p.ID == spec.PoolID })
	if at < 0 {
		return fault.Invalid("/pool_id", "there is no pool %s", spec.PoolID)
	}
	if spec.Image != nil && !before.Made && !d.Images[spec.Image.SHA256].Ready {
		return fault.New(fault.ImageMissing, "the content of image %s is not here", spec.Image.SHA256)
	}
	if i, ok := d.Instances[spec.InstanceID]; spec.InstanceID != "" {
		if !ok {
			return missing(provider.KindInstance, spec.InstanceID)
		}
		if !slices.Contains(pools[at].HostIDs, i.host()) {
			return fault.Invalid("/instance_id", "its host %s does not reach pool %s", i.host(), spec.PoolID)
		}
	}
	taken := spec.SizeBytes
	for id, v := range d.Volumes {
		if id != spec.ID && v.Spec.PoolID == spec.PoolID {
			taken += v.Spec.SizeBytes
		}
	}
	if taken > pools[at].CapacityBytes {
		return fault.New(fault.NoCapacity, "pool %s has no room", spec.PoolID)
	}
	return nil
}

// pools are the disks of the hosts, one each.
func (d *data) pools() []provider.Pool {
	var all []provider.Pool
	for _, h := range d.Hosts {
		all = append(all, provider.Pool{
			ID: h.ID + "-disk", Name: h.Name + "-disk", HostIDs: []string{h.ID}, CapacityBytes: h.Capacity[provider.UnitDiskBytes],
		})
	}
	return all
}

// detach takes all volumes from an instance.
func (d *data) detach(instance string) {
	for id, v := range d.Volumes {
		if v.Attached == instance {
			v.Attached = ""
			d.Volumes[id] = v
		}
	}
}

// GetVolume implements provider.Volumes.
func (p instances) GetVolume(ctx context.Context, id string) (provider.Volume, error) {
	return volumeShelf.get(p.b.begin(ctx, "GetVolume", nil), id)
}

// DeleteVolume implements provider.Volumes.
func (p instances) DeleteVolume(ctx context.Context, id string, progress provider.Progress) error {
	free := func(d *data) error { return d.free(provider.KindVolume, id) }
	return volumeShelf.remove(p.b.begin(ctx, "DeleteVolume", progress), id, free)
}

// ListVolumes implements provider.Volumes.
func (p instances) ListVolumes(ctx context.Context) ([]provider.Volume, error) {
	return volumeShelf.list(p.b.begin(ctx, "ListVolumes", nil))
}

// ListPools implements provider.Volumes.
func (p instances) ListPools(ctx context.Context) ([]provider.Pool, error) {
	if err := p.b.begin(ctx, "ListPools", nil).at("", 0); err != nil {
		return nil, err
	}
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	return p.b.data.pools(), nil
}
