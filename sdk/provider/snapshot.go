// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"context"
	"time"
)

// SnapshotSpec is what an instance's own disks, or a volume, held at one moment. One of InstanceID and VolumeID is set.
type SnapshotSpec struct {
	Tag
	Project    string // DNS label, for titles and metadata
	Name       string // DNS label
	InstanceID string
	VolumeID   string
	Memory     bool // with the memory of the running instance
}

// Snapshot is what the backend says about a snapshot.
type Snapshot struct {
	Observed
	InstanceID            string
	VolumeID              string
	Memory                bool
	TakenAt               time.Time
	SizeBytes             int64 // on the disk; 0 if that is not known
	LastRevertOperationID string
}

// Snapshots is the capability "snapshots", of compute.
type Snapshots interface {
	// ApplySnapshot takes the snapshot, unless it was taken before: a newer generation changes its tag only (the SDK
	// refuses another subject). fault.NoSuchObject without the instance or volume, fault.BadState for the memory of an
	// instance that is not running. fault.InvalidField for what cannot be taken here.
	ApplySnapshot(ctx context.Context, spec SnapshotSpec, progress Progress) (Snapshot, error)
	GetSnapshot(ctx context.Context, id string) (Snapshot, error)
	// DeleteSnapshot removes the snapshot, and nothing of what it is of.
	DeleteSnapshot(ctx context.Context, id string, progress Progress) error
	ListSnapshots(ctx context.Context) ([]Snapshot, error)
	// RevertSnapshot puts back what the instance or the volume held, unless operationID is the last one that did so
	// (kept with the snapshot). The tag of the instance or the volume stays. Nothing else works on it meanwhile.
	// fault.BadState if the instance runs and the snapshot has no memory.
	RevertSnapshot(ctx context.Context, id, operationID string, progress Progress) (Snapshot, error)
}
