// SPDX-License-Identifier: Apache-2.0

package provider

import "context"

// VolumeSpec is a disk with a life of its own.
type VolumeSpec struct {
	Tag
	Project    string // DNS label, for titles and metadata
	Name       string // DNS label
	PoolID     string // from ListPools
	SizeBytes  int64
	Image      *ImageRef // content to begin with; nil for zeros
	InstanceID string    // that it is attached to; "" for none
}

// Volume is what the backend says about a volume.
type Volume struct {
	Observed
	PoolID     string
	SizeBytes  int64  // as the spec asked for it, whatever the backend rounds it up to
	InstanceID string // that has it now; "" for none
}

// Pool is a place where volumes lie.
type Pool struct {
	ID            string // stable
	Name          string
	HostIDs       []string // whose instances can have its volumes
	CapacityBytes int64    // in all
	Labels        map[string]string
}

// Volumes is the capability "volumes", of compute.
type Volumes interface {
	// ApplyVolume makes the volume, grows it to a larger size (the SDK refuses a smaller one, and another pool), and
	// attaches it to the instance of the spec, detaching it from any other; fault.NoSuchObject without that instance.
	ApplyVolume(ctx context.Context, spec VolumeSpec, progress Progress) (Volume, error)
	GetVolume(ctx context.Context, id string) (Volume, error)
	// DeleteVolume detaches the volume and removes it with its content. DeleteInstance detaches it only.
	DeleteVolume(ctx context.Context, id string, progress Progress) error
	ListVolumes(ctx context.Context) ([]Volume, error)
	// ListPools returns the places where volumes lie.
	ListPools(ctx context.Context) ([]Pool, error)
}
