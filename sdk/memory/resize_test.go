// SPDX-License-Identifier: Apache-2.0

package memory_test

import (
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestProcessorsWaitForTheNextStart(t *testing.T) {
	p := memory.New(memory.NewBackend())
	put(t, p)
	spec := instanceSpec()
	small := provider.InstanceSize{VCPUs: 2, MemoryBytes: 1 << 30, DiskBytes: 1 << 30}
	large := provider.InstanceSize{VCPUs: 3, MemoryBytes: 2 << 30, DiskBytes: 2 << 30}
	for _, c := range []struct {
		what  string
		size  provider.InstanceSize
		power provider.PowerState
		now   provider.InstanceSize
	}{
		{"made", small, provider.PowerRunning, small},
		{"resized while it runs", large, provider.PowerRunning, provider.InstanceSize{VCPUs: 2, MemoryBytes: 1 << 30, DiskBytes: 2 << 30}},
		{"stopped", large, provider.PowerStopped, large},
		{"started", large, provider.PowerRunning, large},
	} {
		spec.Generation++
		spec.VCPUs, spec.MemoryBytes, spec.DiskBytes, spec.Power = c.size.VCPUs, c.size.MemoryBytes, c.size.DiskBytes, c.power
		_, err := p.ApplyInstance(t.Context(), spec, quiet)
		wants(t, c.what, err, "")
		if now, next, err := p.GetInstanceSize(t.Context(), spec.ID); err != nil || now != c.now || next != c.size {
			t.Errorf("%s: it has %+v, and is going to have %+v (%v)", c.what, now, next, err)
		}
	}
	spec.DiskBytes = 1 << 30
	_, err := p.ApplyInstance(t.Context(), spec, quiet)
	wants(t, "a smaller disk", err, fault.InvalidField)
	_, _, err = p.GetInstanceSize(t.Context(), "?")
	wants(t, "nothing there", err, fault.NoSuchObject)
}
