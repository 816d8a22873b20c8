// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

func snapshotCases() []Case {
	return []Case{
		{
			ID: "SNAPSHOT-ONCE-001", Level: Must, Needs: wire.CapabilitySnapshots,
			Title:    "A snapshot is taken once",
			Sentence: "A snapshot is taken once: Apply of a newer generation MUST leave it as it was taken, and MUST refuse to make it one of something else with INVALID_ARGUMENT, INVALID_FIELD.",
			Fix:      "Look whether it was taken to the end; if so, write the new tag and nothing else. Compare what it is of.",
			Catches:  []string{"takes snapshots anew", "changes what a snapshot is of"},
			Run:      snapshotOnce,
		},
		{
			ID: "SNAPSHOT-REVERT-001", Level: Must, Needs: wire.CapabilitySnapshots,
			Title:    "A repeated revert reverts once",
			Sentence: "RevertSnapshot MUST keep the last operation_id done with the snapshot: repeating the call does not revert twice.",
			Fix:      "Write operation_id into the backend beside the snapshot's tag, and compare before you revert.",
			Catches:  []string{"forgets reverts when it dies", "forgets what it reverted for"},
			Run:      revertOnce,
		},
		{
			ID: "SNAPSHOT-REVERT-002", Level: Must, Needs: wire.CapabilitySnapshots,
			Title:    "A revert is fenced by the instance's commands too",
			Sentence: "RevertSnapshot MUST be refused with ABORTED, FENCED, if its fence is lower than one seen for the snapshot, or for what it is of.",
			Fix:      "Compare the fence with the highest of both ids, and keep it for both.",
			Catches:  []string{"reverts for whoever is late"},
			Run:      revertFenced,
		},
		{
			ID: "SNAPSHOT-REVERT-003", Level: Must, Needs: wire.CapabilitySnapshots,
			Title:    "A revert leaves the tag",
			Sentence: "RevertSnapshot MUST leave the tag of the instance or the volume as it is: its content goes back, its generation does not.",
			Fix:      "If the backend's snapshot holds the tag as well, write the one of before again, in the same change.",
			Catches:  []string{"reverts the tag too"},
			Run:      revertLeavesTag,
		},
	}
}

// makeSnapshot takes a snapshot of a new instance that is stopped.
func (s *Session) makeSnapshot(ctx context.Context) (provider.SnapshotSpec, provider.InstanceSpec, error) {
	instance, err := s.makeStopped(ctx)
	if err != nil {
		return provider.SnapshotSpec{}, instance, err
	}
	spec := s.snapshotSpec(instance)
	_, err = s.make(ctx, snapshotKind(), applySnapshot(spec))
	return spec, instance, err
}

func (s *Session) makeStopped(ctx context.Context) (provider.InstanceSpec, error) {
	spec := s.instanceSpec()
	spec.Power = provider.PowerStopped
	_, err := s.make(ctx, instanceKind(), applyInstance(spec))
	return spec, err
}

func snapshotOnce(ctx context.Context, s *Session) error {
	spec, instance, err := s.makeSnapshot(ctx)
	if err != nil {
		return err
	}
	before, err := s.client.GetSnapshot(ctx, spec.ID)
	if err != nil {
		return err
	}
	if before.TakenAt.IsZero() || before.InstanceID != instance.ID {
		return fmt.Errorf("it must be of %s, and is of %q, taken at %s", instance.ID, before.InstanceID, before.TakenAt)
	}
	spec.Tag = asGeneration(spec.Tag, 2)
	if _, err := s.make(ctx, snapshotKind(), applySnapshot(spec)); err != nil {
		return err
	}
	after, err := s.client.GetSnapshot(ctx, spec.ID)
	if err != nil {
		return err
	}
	if !after.TakenAt.Equal(before.TakenAt) {
		return fmt.Errorf("it was taken at %s, and in the next generation at %s", before.TakenAt, after.TakenAt)
	}
	other, err := s.makeStopped(ctx)
	if err != nil {
		return err
	}
	spec.Tag, spec.InstanceID = asGeneration(spec.Tag, 3), other.ID
	return s.refused(ctx, "a snapshot of another instance", snapshotKind(), applySnapshot(spec), fault.InvalidField)
}

// revert reverts, and waits until that is done.
func (s *Session) revert(ctx context.Context, id, operation string) error {
	o, err := s.client.RevertSnapshot(ctx, s.nextFence(), id, operation)
	if err != nil {
		return fmt.Errorf("revert: %w", err)
	}
	return s.until(ctx, "the revert's end", func(ctx context.Context) (bool, error) {
		switch {
		case o.Phase == provider.PhaseFailed:
			return false, fmt.Errorf("the revert failed: %w", failure(o.Observed))
		case o.Phase == provider.PhaseReady && o.LastRevertOperationID != operation:
			return false, fmt.Errorf("the last operation was %s, and it says %q", operation, o.LastRevertOperationID)
		case o.Phase == provider.PhaseReady:
			return true, nil
		}
		var err error
		o, err = s.client.GetSnapshot(ctx, id)
		return false, err
	})
}

func revertOnce(ctx context.Context, s *Session) error {
	spec, _, err := s.makeSnapshot(ctx)
	if err != nil {
		return err
	}
	operation := s.runner.NewID()
	for range 2 {
		if err := s.revert(ctx, spec.ID, operation); err != nil {
			return err
		}
	}
	if err := s.Restart(ctx); err != nil {
		return err
	}
	got, err := s.client.GetSnapshot(ctx, spec.ID)
	if err == nil && got.LastRevertOperationID != operation {
		err = fmt.Errorf("the last operation was %s, and a new process says %q", operation, got.LastRevertOperationID)
	}
	return err
}

func revertFenced(ctx context.Context, s *Session) error {
	older := s.nextFence()
	spec, instance, err := s.makeSnapshot(ctx)
	if err != nil {
		return err
	}
	_, late := s.client.RevertSnapshot(ctx, older, spec.ID, s.runner.NewID())
	old := s.nextFence() // newer than all that was said of the snapshot
	instance.Tag = asGeneration(instance.Tag, 2)
	if _, err := s.make(ctx, instanceKind(), applyInstance(instance)); err != nil {
		return err
	}
	_, overtaken := s.client.RevertSnapshot(ctx, old, spec.ID, s.runner.NewID())
	got, err := s.client.GetSnapshot(ctx, spec.ID)
	if err == nil && got.LastRevertOperationID != "" {
		err = errors.New("it was reverted nevertheless")
	}
	return errors.Join(
		reason("a revert with a lower fence than the snapshot's", late, fault.Fenced),
		reason("a revert with a lower fence than the instance's", overtaken, fault.Fenced),
		err,
	)
}

func revertLeavesTag(ctx context.Context, s *Session) error {
	spec, instance, err := s.makeSnapshot(ctx)
	if err != nil {
		return err
	}
	instance.Tag = asGeneration(instance.Tag, 2)
	if _, err := s.make(ctx, instanceKind(), applyInstance(instance)); err != nil {
		return err
	}
	if err := s.revert(ctx, spec.ID, s.runner.NewID()); err != nil {
		return err
	}
	o, err := s.client.GetInstance(ctx, instance.ID)
	if err != nil {
		return err
	}
	return errors.Join(same(instanceKind(), o.Observed, instance.Tag), s.once(ctx, instanceKind(), instance.Tag))
}

func snapshotKind() kind {
	return kind{
		name: provider.KindSnapshot, prefix: "SNAPSHOT", needs: wire.CapabilitySnapshots,
		draft: func(ctx context.Context, s *Session) (draft, error) {
			instance, err := s.makeStopped(ctx)
			return applySnapshot(s.snapshotSpec(instance)), err
		},
		get: func(ctx context.Context, c *wire.Client, id string) (provider.Observed, error) {
			o, err := c.GetSnapshot(ctx, id)
			return o.Observed, err
		},
		delete: func(ctx context.Context, c *wire.Client, fence uint64, tag provider.Tag) (bool, provider.Observed, error) {
			return c.DeleteSnapshot(ctx, fence, tag)
		},
		list: func(ctx context.Context, c *wire.Client) ([]provider.Observed, error) {
			all, err := c.ListSnapshots(ctx)
			return observed(all, func(o provider.Snapshot) provider.Observed { return o.Observed }), err
		},
		event: func(e wire.Event) *provider.Observed {
			if e.Snapshot == nil {
				return nil
			}
			return &e.Snapshot.Observed
		},
	}
}

// snapshotSpec is a snapshot of an instance's disks.
func (s *Session) snapshotSpec(of provider.InstanceSpec) provider.SnapshotSpec {
	return provider.SnapshotSpec{Tag: s.newTag(), Project: project, Name: "snapshot", InstanceID: of.ID}
}

func applySnapshot(spec provider.SnapshotSpec) draft {
	return draft{spec.Tag, func(ctx context.Context, c *wire.Client, fence uint64, tag provider.Tag) (provider.Observed, error) {
		spec := spec
		spec.Tag = tag
		o, err := c.ApplySnapshot(ctx, fence, spec)
		return o.Observed, err
	}, func(tag provider.Tag) provider.AnySpec {
		spec := spec
		spec.Tag = tag
		return provider.AnySpec{Snapshot: &spec}
	}}
}
