// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// snapshotted serves a snapshot of an instance that is stopped.
func snapshotted(t *testing.T, b *memory.Backend) (*wire.Client, provider.InstanceSpec, provider.SnapshotSpec) {
	t.Helper()
	client := configured(t, b, quick)
	putImage(t, client)
	instance := instanceSpec()
	instance.Power = provider.PowerStopped
	snapshot := provider.SnapshotSpec{Tag: tag(), Project: "alice", Name: "before", InstanceID: instance.ID}
	if _, err := client.ApplyInstance(t.Context(), fence(), instance); err != nil {
		t.Fatal(err)
	}
	await(t, "the instance", func() bool {
		i, err := client.GetInstance(t.Context(), instance.ID)
		return err == nil && i.Phase == provider.PhaseReady
	})
	if _, err := client.ApplySnapshot(t.Context(), fence(), snapshot); err != nil {
		t.Fatal(err)
	}
	await(t, "the snapshot", func() bool {
		s, err := client.GetSnapshot(t.Context(), snapshot.ID)
		return err == nil && s.Phase == provider.PhaseReady
	})
	return client, instance, snapshot
}

func TestRevertIsDoneOnce(t *testing.T) {
	b := memory.NewBackend()
	client, _, snapshot := snapshotted(t, b)
	release := hang(b, "RevertSnapshot", memory.StepDisk)
	revert := func(operation string) (provider.Snapshot, error) {
		return client.RevertSnapshot(t.Context(), fence(), snapshot.ID, operation)
	}
	for range 3 { // repetitions join
		if s, err := revert("one"); err != nil || s.Phase != provider.PhaseProgressing || s.Step != memory.StepDisk {
			t.Errorf("Revert = %+v, %v", s, err)
		}
	}
	_, err := revert("two")
	wants(t, "another operation", err, fault.Busy)
	release()
	await(t, "the end", func() bool {
		s, err := client.GetSnapshot(t.Context(), snapshot.ID)
		return err == nil && s.Phase == provider.PhaseReady && s.LastRevertOperationID == "one"
	})
	if s, err := revert("one"); err != nil || s.Phase != provider.PhaseReady {
		t.Errorf("Revert = %+v, %v", s, err)
	}
	if n := b.Reverts(snapshot.ID); n != 1 {
		t.Errorf("reverted %d times", n)
	}
	_, err = revert("")
	wants(t, "no operation", err, fault.InvalidField)
	_, err = client.RevertSnapshot(t.Context(), fence(), newID(), "one")
	wants(t, "nothing there", err, fault.NoSuchObject)
}

// While it is put back, nobody else works on the instance.
func TestRevertHoldsTheInstance(t *testing.T) {
	b := memory.NewBackend()
	client, instance, snapshot := snapshotted(t, b)
	release := hang(b, "RevertSnapshot", memory.StepDisk)
	if _, err := client.RevertSnapshot(t.Context(), fence(), snapshot.ID, "one"); err != nil {
		t.Fatal(err)
	}
	instance.Generation = 2
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := client.ApplyInstance(ctx, fence(), instance)
	wants(t, "Apply meanwhile", err, fault.Timeout)
	release()
	_, err = client.ApplyInstance(t.Context(), fence(), instance)
	wants(t, "Apply after it", err, "")
}

func TestRevertWaitsForNoWork(t *testing.T) {
	b := memory.NewBackend()
	client, instance, snapshot := snapshotted(t, b)
	release := hang(b, "ApplyInstance", memory.StepPower)
	instance.Generation = 2
	if _, err := client.ApplyInstance(t.Context(), fence(), instance); err != nil {
		t.Fatal(err)
	}
	_, err := client.RevertSnapshot(t.Context(), fence(), snapshot.ID, "one")
	wants(t, "the instance is being worked on", err, fault.Busy)
	release()
}

func TestFailedRevertMayBeRepeated(t *testing.T) {
	b := memory.NewBackend()
	client, instance, snapshot := snapshotted(t, b)
	b.Inject(memory.Fault{Verb: "RevertSnapshot", Step: memory.StepDisk, Times: 1, Panic: true})
	_, err := client.RevertSnapshot(t.Context(), fence(), snapshot.ID, "one")
	wants(t, "it panics", err, fault.Panic)
	late := fence()
	instance.Generation = 2
	if _, err := client.ApplyInstance(t.Context(), fence(), instance); err != nil {
		t.Fatal(err)
	}
	_, err = client.RevertSnapshot(t.Context(), late, snapshot.ID, "one")
	wants(t, "the instance has a newer fence", err, fault.Fenced)
	await(t, "the second attempt", func() bool {
		s, err := client.RevertSnapshot(t.Context(), fence(), snapshot.ID, "one")
		return err == nil && s.LastRevertOperationID == "one"
	})
	if n := b.Reverts(snapshot.ID); n != 1 {
		t.Errorf("reverted %d times", n)
	}
}
