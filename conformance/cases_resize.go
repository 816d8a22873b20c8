// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"fmt"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

func resizeCases() []Case {
	return []Case{
		{
			ID: "RESIZE-SIZE-001", Level: Must, Needs: wire.CapabilityResize,
			Title:    "A newer generation has another size",
			Sentence: "After ApplyInstance of a newer generation, next MUST be as its spec says, and now MUST be the same as next once the guest was stopped and started.",
			Fix:      "Change the definition at once, the running guest where that is possible, and report both as the backend holds them.",
			Catches:  []string{"keeps its size", "resizes in words only"},
			Run:      resizes,
		},
		{
			ID: "RESIZE-DISK-001", Level: Must, Needs: wire.CapabilityResize,
			Title:    "A disk does not shrink",
			Sentence: "ApplyInstance MUST refuse a smaller disk_bytes with INVALID_ARGUMENT, INVALID_FIELD.",
			Fix:      "Compare with the disk that is there before anything is changed.",
			Catches:  []string{"shrinks disks"},
			Run:      diskStays,
		},
	}
}

// sized applies a spec as another generation, and returns what the instance has then.
func (s *Session) sized(ctx context.Context, spec *provider.InstanceSpec) (now, next provider.InstanceSize, err error) {
	if _, err := s.make(ctx, instanceKind(), applyInstance(*spec)); err != nil {
		return now, next, err
	}
	now, next, err = s.client.GetInstanceSize(ctx, spec.ID)
	if err == nil && (next.VCPUs != spec.VCPUs || next.MemoryBytes != spec.MemoryBytes || spec.DiskBytes > 0 && next.DiskBytes != spec.DiskBytes) {
		err = fmt.Errorf("%d vcpus, %d bytes of memory and %d of disk were asked for, and it is going to have %+v",
			spec.VCPUs, spec.MemoryBytes, spec.DiskBytes, next)
	}
	spec.Tag = asGeneration(spec.Tag, spec.Generation+1)
	return now, next, err
}

func resizes(ctx context.Context, s *Session) error {
	spec := s.instanceSpec()
	now, next, err := s.sized(ctx, &spec)
	if err != nil {
		return err
	}
	if now != next {
		return fmt.Errorf("it was just made, has %+v, and is going to have %+v", now, next)
	}
	spec.VCPUs, spec.MemoryBytes = spec.VCPUs+1, 2*spec.MemoryBytes
	for _, power := range []provider.PowerState{provider.PowerRunning, provider.PowerStopped, provider.PowerRunning} {
		spec.Power = power
		if now, next, err = s.sized(ctx, &spec); err != nil {
			return err
		}
	}
	if now != next {
		return fmt.Errorf("it was stopped and started, has %+v, and is going to have %+v", now, next)
	}
	return nil
}

func diskStays(ctx context.Context, s *Session) error {
	if s.params.Instance.Kind == provider.InstanceUnikernel {
		s.limit("unikernels have no disk")
		return nil
	}
	spec := s.instanceSpec()
	for factor := range int64(2) {
		spec.DiskBytes = (factor + 1) * s.params.Instance.DiskBytes
		if _, _, err := s.sized(ctx, &spec); err != nil {
			return err
		}
	}
	large := spec.DiskBytes
	spec.DiskBytes = s.params.Instance.DiskBytes
	if err := s.refused(ctx, "a smaller disk", instanceKind(), applyInstance(spec), fault.InvalidField); err != nil {
		return err
	}
	now, _, err := s.client.GetInstanceSize(ctx, spec.ID)
	if err == nil && now.DiskBytes < large {
		err = fmt.Errorf("the disk had %d bytes, and has %d", large, now.DiskBytes)
	}
	return err
}
