// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func volumeSpec() provider.VolumeSpec {
	return provider.VolumeSpec{Tag: tag(), Project: "alice", Name: "data", PoolID: "memory-host-disk", SizeBytes: 2 << 20}
}

// What a newer generation must not change is refused before the author is asked, and nothing has failed then.
func TestVolumesDoNotShrink(t *testing.T) {
	b := memory.NewBackend()
	client := configured(t, b, patient)
	spec := volumeSpec()
	apply := func(what string, generation, size int64, reason fault.Reason) {
		t.Helper()
		spec.Generation, spec.SizeBytes = generation, size
		_, err := client.ApplyVolume(t.Context(), fence(), spec)
		wants(t, what, err, reason)
	}
	apply("first", 1, 2<<20, "")
	apply("smaller", 2, 1<<20, fault.InvalidField)
	v, err := client.GetVolume(t.Context(), spec.ID)
	if err != nil || v.Phase != provider.PhaseReady || v.Generation != 1 || v.SizeBytes != 2<<20 {
		t.Errorf("volume = %+v, %v", v, err)
	}
	apply("larger", 2, 3<<20, "")
	b.Inject(memory.Fault{Verb: "ApplyVolume", Step: memory.StepDisk, Times: 1, Err: fault.New(fault.BackendRefused, "no")})
	apply("larger, in vain", 3, 4<<20, fault.BackendRefused)
	apply("what is there, after a failure", 4, 3<<20, "")
	pools, err := client.ListPools(t.Context())
	if err != nil || len(pools) != 1 || pools[0].ID != spec.PoolID {
		t.Errorf("pools = %+v, %v", pools, err)
	}
}
