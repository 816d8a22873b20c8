// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

func volumeCases() []Case {
	return []Case{
		{
			ID: "VOLUME-POOLS-001", Level: Must, Needs: wire.CapabilityVolumes,
			Title:    "Pools have ids that stay",
			Sentence: "A pool's id MUST be unique, and stay over restarts of the provider and of the machine.",
			Fix:      "Use an id that the backend keeps with the pool, and report its capacity and its hosts.",
			Catches:  []string{"has pools of no size", "invents pools"},
			Run:      poolsStay,
		},
		{
			ID: "VOLUME-SIZE-001", Level: Must, Needs: wire.CapabilityVolumes,
			Title:    "A volume grows, and never shrinks",
			Sentence: "The size is in the spec too: Apply of a newer generation MUST grow the volume to a larger size_bytes, and MUST refuse a smaller one with INVALID_ARGUMENT, INVALID_FIELD.",
			Fix:      "Compare the size with that of what is there before you change anything, and report the size that was asked for.",
			Catches:  []string{"does not grow", "shrinks volumes"},
			Run:      volumeGrows,
		},
		{
			ID: "VOLUME-ATTACH-001", Level: Must, Needs: wire.CapabilityVolumes,
			Title:    "Attachment is in the spec",
			Sentence: "Attachment is in the spec: Apply MUST attach the volume to the instance that instance_id names, running or stopped, and detach it from any other.",
			Fix:      "Attach or detach as part of Apply, for the running guest and for its next start, and report what the backend says.",
			Catches:  []string{"attaches once and for all"},
			Run:      volumeAttaches,
		},
		{
			ID: "VOLUME-ATTACH-002", Level: Must, Needs: wire.CapabilityVolumes,
			Title:    "A volume outlives its instance",
			Sentence: "A volume MUST outlive the instance that it is attached to: DeleteInstance detaches it.",
			Fix:      "Remove an instance's own disks only, and take the volumes from it before.",
			Catches:  []string{"deletes volumes with their instance"},
			Run:      volumeOutlives,
		},
		{
			ID: "VOLUME-IMAGE-001", Level: Must, Needs: wire.CapabilityVolumes,
			Title:    "A volume without its image is refused",
			Sentence: "An instance or a volume whose image content is not there MUST be refused or fail with FAILED_PRECONDITION, IMAGE_MISSING.",
			Fix:      "Look for the content first: the core pushes it and repeats the Apply.",
			Catches:  []string{"makes volumes of nothing"},
			Run:      volumeImageMissing,
		},
	}
}

func poolsStay(ctx context.Context, s *Session) error {
	before, err := s.poolIDs(ctx)
	if err != nil {
		return err
	}
	if err := s.Restart(ctx); err != nil {
		return err
	}
	after, err := s.poolIDs(ctx)
	if err == nil && !reflect.DeepEqual(before, after) {
		err = fmt.Errorf("pools %q are %q after a restart", before, after)
	}
	return err
}

func (s *Session) poolIDs(ctx context.Context) ([]string, error) {
	pools, err := s.client.ListPools(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, p := range pools {
		if p.ID == "" || p.Name == "" || slices.Contains(ids, p.ID) {
			return nil, fmt.Errorf("pool %q, called %q: ids are unique, and neither is empty", p.ID, p.Name)
		}
		if p.CapacityBytes <= 0 {
			return nil, fmt.Errorf("pool %s says nothing of its capacity", p.ID)
		}
		ids = append(ids, p.ID)
	}
	slices.Sort(ids)
	return ids, nil
}

// asGeneration gives a spec's tag another generation, and a digest of its own.
func asGeneration(t provider.Tag, generation int64) provider.Tag {
	t.Generation, t.SpecDigest = generation, fmt.Sprintf("%s%d", digestPrefix, generation)
	return t
}

// makeVolume applies a spec, and returns what is there then.
func (s *Session) makeVolume(ctx context.Context, spec provider.VolumeSpec) (provider.Volume, error) {
	if _, err := s.make(ctx, volumeKind(), applyVolume(spec)); err != nil {
		return provider.Volume{}, err
	}
	return s.client.GetVolume(ctx, spec.ID)
}

func volumeGrows(ctx context.Context, s *Session) error {
	spec := s.volumeSpec()
	for generation := range int64(2) {
		spec.Tag, spec.SizeBytes = asGeneration(spec.Tag, generation+1), (generation+1)*s.params.Volume.SizeBytes
		v, err := s.makeVolume(ctx, spec)
		if err != nil {
			return err
		}
		if v.SizeBytes != spec.SizeBytes || v.PoolID != spec.PoolID {
			return fmt.Errorf("it must have %d bytes in %s, and has %d in %s", spec.SizeBytes, spec.PoolID, v.SizeBytes, v.PoolID)
		}
	}
	smaller := spec
	smaller.Tag, smaller.SizeBytes = asGeneration(spec.Tag, 3), s.params.Volume.SizeBytes
	if err := s.refused(ctx, "a smaller size", volumeKind(), applyVolume(smaller), fault.InvalidField); err != nil {
		return err
	}
	v, err := s.client.GetVolume(ctx, spec.ID)
	if err == nil && v.SizeBytes != spec.SizeBytes {
		err = fmt.Errorf("it had %d bytes, and has %d", spec.SizeBytes, v.SizeBytes)
	}
	return err
}

func volumeAttaches(ctx context.Context, s *Session) error {
	running, stopped := s.instanceSpec(), s.instanceSpec()
	stopped.Power = provider.PowerStopped
	for _, spec := range []provider.InstanceSpec{running, stopped} {
		if _, err := s.make(ctx, instanceKind(), applyInstance(spec)); err != nil {
			return err
		}
	}
	spec := s.volumeSpec()
	for i, instance := range []string{"", running.ID, stopped.ID, ""} {
		spec.Tag, spec.InstanceID = asGeneration(spec.Tag, int64(i+1)), instance
		v, err := s.makeVolume(ctx, spec)
		if err != nil {
			return err
		}
		if v.InstanceID != instance {
			return fmt.Errorf("it must be attached to %q, and is to %q", instance, v.InstanceID)
		}
	}
	return nil
}

func volumeOutlives(ctx context.Context, s *Session) error {
	instance := applyInstance(s.instanceSpec())
	if _, err := s.make(ctx, instanceKind(), instance); err != nil {
		return err
	}
	spec := s.volumeSpec()
	spec.InstanceID = instance.tag.ID
	if _, err := s.makeVolume(ctx, spec); err != nil {
		return err
	}
	if err := s.remove(ctx, instanceKind(), instance.tag); err != nil {
		return err
	}
	if err := s.once(ctx, volumeKind(), spec.Tag); err != nil {
		return fmt.Errorf("its instance was deleted: %w", err)
	}
	v, err := s.client.GetVolume(ctx, spec.ID)
	if err == nil && v.InstanceID != "" {
		err = errors.New("its instance was deleted, and it says that it is attached to it")
	}
	return err
}

func volumeImageMissing(ctx context.Context, s *Session) error {
	ref, _ := s.freshImage()
	spec := s.volumeSpec()
	spec.Image = &ref
	return s.refused(ctx, "a volume whose image is not there", volumeKind(), applyVolume(spec), fault.ImageMissing)
}

// findPool looks for the pool to work on.
func (s *Session) findPool(ctx context.Context) error {
	pools, err := s.client.ListPools(ctx)
	if err != nil {
		return fmt.Errorf("call of ListPools: %w", err)
	}
	at := slices.IndexFunc(pools, func(p provider.Pool) bool {
		return p.ID == s.params.Volume.Pool || s.params.Volume.Pool == "" && slices.Contains(p.HostIDs, s.host.ID)
	})
	if at < 0 && s.params.Volume.Pool != "" || len(pools) == 0 {
		return errors.New("the provider lists no pool to work on")
	}
	s.pool = pools[max(at, 0)]
	return nil
}

func volumeKind() kind {
	return kind{
		name: provider.KindVolume, prefix: "VOLUME", needs: wire.CapabilityVolumes,
		draft: func(_ context.Context, s *Session) (draft, error) { return applyVolume(s.volumeSpec()), nil },
		get: func(ctx context.Context, c *wire.Client, id string) (provider.Observed, error) {
			v, err := c.GetVolume(ctx, id)
			return v.Observed, err
		},
		delete: func(ctx context.Context, c *wire.Client, fence uint64, tag provider.Tag) (bool, provider.Observed, error) {
			return c.DeleteVolume(ctx, fence, tag)
		},
		list: func(ctx context.Context, c *wire.Client) ([]provider.Observed, error) {
			all, err := c.ListVolumes(ctx)
			return observed(all, func(v provider.Volume) provider.Observed { return v.Observed }), err
		},
		event: func(e wire.Event) *provider.Observed {
			if e.Volume == nil {
				return nil
			}
			return &e.Volume.Observed
		},
	}
}

// volumeSpec is an empty volume, attached to nothing.
func (s *Session) volumeSpec() provider.VolumeSpec {
	return provider.VolumeSpec{
		Tag: s.newTag(), Project: project, Name: "volume", PoolID: s.pool.ID, SizeBytes: s.params.Volume.SizeBytes,
	}
}

func applyVolume(spec provider.VolumeSpec) draft {
	return draft{spec.Tag, func(ctx context.Context, c *wire.Client, fence uint64, tag provider.Tag) (provider.Observed, error) {
		spec := spec
		spec.Tag = tag
		v, err := c.ApplyVolume(ctx, fence, spec)
		return v.Observed, err
	}, func(tag provider.Tag) provider.AnySpec {
		spec := spec
		spec.Tag = tag
		return provider.AnySpec{Volume: &spec}
	}}
}
