// SPDX-License-Identifier: Apache-2.0

package memory_test

import (
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestSnapshots(t *testing.T) {
	b := memory.NewBackend()
	p := memory.New(b)
	put(t, p)
	instance, volume := instanceSpec(), volumeSpec()
	_, err := p.ApplyInstance(t.Context(), instance, quiet)
	wants(t, "instance", err, "")
	_, err = p.ApplyVolume(t.Context(), volume, quiet)
	wants(t, "volume", err, "")
	take := func(what string, reason fault.Reason, change func(*provider.SnapshotSpec)) string {
		t.Helper()
		spec := provider.SnapshotSpec{Tag: tag()}
		change(&spec)
		_, err := p.ApplySnapshot(t.Context(), spec, quiet)
		wants(t, what, err, reason)
		return spec.ID
	}
	revert := func(what, id string, reason fault.Reason) {
		t.Helper()
		for range 2 {
			_, err := p.RevertSnapshot(t.Context(), id, what, quiet)
			wants(t, what, err, reason)
		}
	}
	take("of no instance", fault.NoSuchObject, func(s *provider.SnapshotSpec) { s.InstanceID = "?" })
	take("of no volume", fault.NoSuchObject, func(s *provider.SnapshotSpec) { s.VolumeID = "?" })
	memory := take("with memory", "", func(s *provider.SnapshotSpec) { s.InstanceID, s.Memory = instance.ID, true })
	disks := take("of disks", "", func(s *provider.SnapshotSpec) { s.InstanceID = instance.ID })
	of := take("of a volume", "", func(s *provider.SnapshotSpec) { s.VolumeID = volume.ID })
	revert("disks of what runs", disks, fault.BadState)
	wants(t, "shut down", b.ShutDown(instance.ID), "")
	take("memory of what is stopped", fault.BadState, func(s *provider.SnapshotSpec) { s.InstanceID, s.Memory = instance.ID, true })
	revert("disks", disks, "")
	revert("volume", of, "")
	revert("memory", memory, "")
	revert("nothing", "?", fault.NoSuchObject)
	if i, err := p.GetInstance(t.Context(), instance.ID); err != nil || i.Power != provider.PowerRunning {
		t.Errorf("with its memory, it is %+v, %v", i, err)
	}
	for _, id := range []string{memory, disks, of} {
		if n := b.Reverts(id); n != 1 {
			t.Errorf("reverted %d times", n)
		}
	}
	wants(t, "delete the instance", p.DeleteInstance(t.Context(), instance.ID, quiet), fault.InUse)
	wants(t, "delete the volume", p.DeleteVolume(t.Context(), volume.ID, quiet), fault.InUse)
}
