// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// GetInstanceSize implements provider.Resize. A disk grows under the running guest; processors and memory wait for its
// next start.
func (p instances) GetInstanceSize(ctx context.Context, id string) (now, next provider.InstanceSize, err error) {
	if err := p.b.begin(ctx, "GetInstanceSize", nil).at("", 0); err != nil {
		return now, next, err
	}
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	i, ok := p.b.data.Instances[id]
	if !ok {
		return now, next, missing(provider.KindInstance, id)
	}
	return i.Size, sizeOf(i.Spec), nil
}

// sizeOf is what an instance of a spec has.
func sizeOf(spec provider.InstanceSpec) provider.InstanceSize {
	size := provider.InstanceSize{VCPUs: spec.VCPUs, MemoryBytes: spec.MemoryBytes, DiskBytes: spec.DiskBytes}
	if spec.Kind == provider.InstanceVM && size.DiskBytes == 0 {
		size.DiskBytes = spec.Image.SizeBytes
	}
	return size
}

// resized is called when an instance has its power: one that runs on gets a larger disk only.
func (i instance) resized(runsOn bool) instance {
	size := sizeOf(i.Spec)
	if runsOn {
		size.VCPUs, size.MemoryBytes = i.Size.VCPUs, i.Size.MemoryBytes
	}
	i.Size = size
	return i
}

// grows refuses what would cut a disk.
func (i instance) grows(spec provider.InstanceSpec) error {
	if size := sizeOf(spec).DiskBytes; i.Made && size < i.Size.DiskBytes {
		return fault.Invalid("/disk_bytes", "the disk has %d bytes, and does not shrink", i.Size.DiskBytes)
	}
	return nil
}
