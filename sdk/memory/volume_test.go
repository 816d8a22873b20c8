// SPDX-License-Identifier: Apache-2.0

package memory_test

import (
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func volumeSpec() provider.VolumeSpec {
	return provider.VolumeSpec{Tag: tag(), PoolID: "memory-host-disk", SizeBytes: 1 << 30}
}

func TestPoolsSayWhatFits(t *testing.T) {
	b := memory.NewBackend()
	far := memory.DefaultHost()
	far.ID, far.Name = "far-host", "far-host"
	b.SetHosts(memory.DefaultHost(), far)
	p := memory.New(b)
	put(t, p)
	instance := instanceSpec()
	_, err := p.ApplyInstance(t.Context(), instance, quiet)
	wants(t, "instance", err, "")
	missing := provider.ImageRef{SHA256: "?"}
	here := ref(provider.ImageRaw)
	for _, c := range []struct {
		what   string
		change func(*provider.VolumeSpec)
		reason fault.Reason
	}{
		{"unknown pool", func(s *provider.VolumeSpec) { s.PoolID = "?" }, fault.InvalidField},
		{"unknown instance", func(s *provider.VolumeSpec) { s.InstanceID = "?" }, fault.NoSuchObject},
		{"instance of another host", func(s *provider.VolumeSpec) { s.PoolID, s.InstanceID = "far-host-disk", instance.ID }, fault.InvalidField},
		{"no image", func(s *provider.VolumeSpec) { s.Image = &missing }, fault.ImageMissing},
		{"more than the pool", func(s *provider.VolumeSpec) { s.SizeBytes = 1<<40 + 1 }, fault.NoCapacity},
		{"all of the pool", func(s *provider.VolumeSpec) { s.SizeBytes, s.Image, s.InstanceID = 1<<40, &here, instance.ID }, ""},
		{"one more", func(*provider.VolumeSpec) {}, fault.NoCapacity},
	} {
		spec := volumeSpec()
		c.change(&spec)
		_, err := p.ApplyVolume(t.Context(), spec, quiet)
		wants(t, c.what, err, c.reason)
	}
	all, err := p.ListVolumes(t.Context())
	if err != nil || len(all) != 1 || all[0].InstanceID != instance.ID || all[0].SizeBytes != 1<<40 {
		t.Fatalf("volumes = %+v, %v", all, err)
	}
	wants(t, "delete the instance", p.DeleteInstance(t.Context(), instance.ID, quiet), "")
	v, err := p.GetVolume(t.Context(), all[0].ID)
	if err != nil || v.InstanceID != "" || v.Phase != provider.PhaseReady {
		t.Errorf("volume = %+v, %v", v, err)
	}
}
