// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
)

func TestMetrics(t *testing.T) {
	b := memory.NewBackend()
	_, client, _ := serve(t, memory.New(b), patient)
	spec := instanceSpec()
	_, err := client.GetInstanceMetrics(t.Context(), spec.ID)
	wants(t, "before Configure", err, fault.NotConfigured)
	configure(t, client)
	putImage(t, client)
	_, err = client.GetInstanceMetrics(t.Context(), "x")
	wants(t, "malformed id", err, fault.InvalidField)
	_, err = client.GetInstanceMetrics(t.Context(), spec.ID)
	wants(t, "nothing there", err, fault.NoSuchObject)
	if _, err := client.ApplyInstance(t.Context(), fence(), spec); err != nil {
		t.Fatal(err)
	}
	first, err := client.GetInstanceMetrics(t.Context(), spec.ID)
	if err != nil || first.ObservedAt.IsZero() || first.Since.IsZero() || first.MemoryBytes != spec.MemoryBytes || len(first.Disks) != 1 {
		t.Errorf("metrics = %+v, %v", first, err)
	}
	if _, err := client.RebootInstance(t.Context(), fence(), spec.ID, "one", true); err != nil {
		t.Fatal(err)
	}
	second, err := client.GetInstanceMetrics(t.Context(), spec.ID)
	if err != nil || !second.Since.After(first.Since) {
		t.Errorf("after a reboot: %+v, %v", second, err)
	}
	b.Inject(memory.Fault{Verb: "GetInstanceMetrics", Times: 1, Panic: true})
	_, err = client.GetInstanceMetrics(t.Context(), spec.ID)
	wants(t, "it panics", err, fault.Panic)
}

func TestSize(t *testing.T) {
	_, client, spec := running(t, memory.New(memory.NewBackend()))
	now, next, err := client.GetInstanceSize(t.Context(), spec.ID)
	if err != nil || now != next || now.VCPUs != spec.VCPUs || now.DiskBytes != spec.Image.SizeBytes {
		t.Errorf("it has %+v, and is going to have %+v (%v)", now, next, err)
	}
	_, _, err = client.GetInstanceSize(t.Context(), "x")
	wants(t, "malformed id", err, fault.InvalidField)
	_, _, err = client.GetInstanceSize(t.Context(), newID())
	wants(t, "nothing there", err, fault.NoSuchObject)
}
