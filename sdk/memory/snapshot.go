// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// snapshot is a pretended snapshot. There is no content to put back, but the power.
type snapshot struct {
	Spec       provider.SnapshotSpec
	Made       bool
	TakenAt    time.Time
	LastRevert string
	Reverts    int
}

func (s snapshot) observe() provider.Snapshot {
	return provider.Snapshot{
		Observed: observe(s.Spec.Tag, s.Made), InstanceID: s.Spec.InstanceID, VolumeID: s.Spec.VolumeID, Memory: s.Spec.Memory,
		TakenAt: s.TakenAt, LastRevertOperationID: s.LastRevert,
	}
}

var snapshotShelf = shelf[snapshot, provider.Snapshot]{
	kind:    provider.KindSnapshot,
	records: func(d *data) map[string]snapshot { return d.Snapshots },
	observe: snapshot.observe,
	unmake:  func(s snapshot) snapshot { s.Made = false; return s },
}

// ApplySnapshot implements provider.Snapshots. What was taken stays.
func (p instances) ApplySnapshot(ctx context.Context, spec provider.SnapshotSpec, progress provider.Progress) (provider.Snapshot, error) {
	begin := func(d *data, s snapshot) (snapshot, error) {
		if !s.Made {
			if err := d.stands(spec); err != nil {
				return s, err
			}
		}
		s.Spec, s.Made = spec, false
		return s, nil
	}
	finish := func(s snapshot) snapshot {
		s.Made = true
		if s.TakenAt.IsZero() {
			s.TakenAt = p.b.now().UTC()
		}
		return s
	}
	return snapshotShelf.apply(p.b.begin(ctx, "ApplySnapshot", progress), spec.ID, []string{StepDisk}, begin, finish)
}

// stands checks what only the backend knows: what the snapshot is of.
func (d *data) stands(spec provider.SnapshotSpec) error {
	if spec.VolumeID != "" {
		if _, ok := d.Volumes[spec.VolumeID]; !ok {
			return missing(provider.KindVolume, spec.VolumeID)
		}
		return nil
	}
	i, ok := d.Instances[spec.InstanceID]
	if !ok {
		return missing(provider.KindInstance, spec.InstanceID)
	}
	if spec.Memory && i.Power != provider.PowerRunning {
		return fault.New(fault.BadState, "instance %s is not running, and has no memory", spec.InstanceID)
	}
	return nil
}

// snapshotOf returns a snapshot of an instance or volume, if there is one.
func (d *data) snapshotOf(id string) (string, bool) {
	for snapshot, s := range d.Snapshots {
		if s.Spec.InstanceID == id || s.Spec.VolumeID == id {
			return snapshot, true
		}
	}
	return "", false
}

// free says that what has snapshots cannot be removed.
func (d *data) free(kind provider.Kind, id string) error {
	if snapshot, ok := d.snapshotOf(id); ok {
		return fault.New(fault.InUse, "snapshot %s is of %s %s", snapshot, kind, id)
	}
	return nil
}

// GetSnapshot implements provider.Snapshots.
func (p instances) GetSnapshot(ctx context.Context, id string) (provider.Snapshot, error) {
	return snapshotShelf.get(p.b.begin(ctx, "GetSnapshot", nil), id)
}

// DeleteSnapshot implements provider.Snapshots.
func (p instances) DeleteSnapshot(ctx context.Context, id string, progress provider.Progress) error {
	return snapshotShelf.remove(p.b.begin(ctx, "DeleteSnapshot", progress), id, nothing)
}

// ListSnapshots implements provider.Snapshots.
func (p instances) ListSnapshots(ctx context.Context) ([]provider.Snapshot, error) {
	return snapshotShelf.list(p.b.begin(ctx, "ListSnapshots", nil))
}

// RevertSnapshot implements provider.Snapshots.
func (p instances) RevertSnapshot(ctx context.Context, id, operationID string, progress provider.Progress) (provider.Snapshot, error) {
	work := p.b.begin(ctx, "RevertSnapshot", progress)
	if err := work.at("", 0); err != nil {
		return provider.Snapshot{}, err
	}
	if err := work.at(StepDisk, 50); err != nil {
		return provider.Snapshot{}, err
	}
	var s snapshot
	err := p.b.change(provider.KindSnapshot, id, func(d *data) error {
		var ok bool
		if s, ok = d.Snapshots[id]; !ok {
			return missing(provider.KindSnapshot, id)
		}
		if s.LastRevert == operationID {
			return nil
		}
		if err := d.revert(s.Spec, p.b.now()); err != nil {
			return err
		}
		s.LastRevert = operationID
		s.Reverts++
		d.Snapshots[id] = s
		return nil
	})
	p.b.tell(provider.KindInstance, s.Spec.InstanceID)
	return s.observe(), err
}

func (d *data) revert(spec provider.SnapshotSpec, now time.Time) error {
	i, ok := d.Instances[spec.InstanceID]
	switch {
	case spec.InstanceID == "":
		return nil
	case !ok:
		return missing(provider.KindInstance, spec.InstanceID)
	case spec.Memory:
		d.Instances[spec.InstanceID] = i.switched(provider.PowerRunning, now)
	case i.Power == provider.PowerRunning:
		return fault.New(fault.BadState, "instance %s is running", spec.InstanceID)
	}
	return nil
}

// Reverts tells how often a snapshot was reverted to.
func (b *Backend) Reverts(id string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.Snapshots[id].Reverts
}
