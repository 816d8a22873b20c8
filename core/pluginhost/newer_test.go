// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"testing"

	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// A provider may offer kinds of resources that the core has no use for yet: it attaches and works all the same.
func TestKindsWithoutUseAreIgnored(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m, b := r.join("r1"), memory.NewBackend()
	p := memory.New(b)
	volume := provider.VolumeSpec{
		Tag: provider.Tag{ID: newID(), Generation: 1, SpecDigest: "sha256:1"}, PoolID: memory.DefaultHost().ID + "-disk", SizeBytes: 1,
	}
	progress := func(string, int) {}
	if _, err := p.ApplyVolume(t.Context(), volume, progress); err != nil {
		t.Fatal(err)
	}
	r.start(m, b)
	r.waitReady(m.id)
	if s := r.observer.snapshots[0]; len(s.Hosts) != 1 || len(s.Routers) != 1 {
		t.Errorf("snapshot %+v", s)
	}
	if err := p.DeleteVolume(t.Context(), volume.ID, progress); err != nil {
		t.Fatal(err)
	}
	n, err := r.network(m.id).ApplyNetwork(within(t), r.fence(), netSpec(t, newID(), 1), nil)
	if err != nil || n.Phase != provider.PhaseReady {
		t.Errorf("applied %+v, %v", n, err)
	}
}
