// SPDX-License-Identifier: Apache-2.0

package provider

import "context"

// InstanceSize is how large an instance is.
type InstanceSize struct {
	VCPUs       int
	MemoryBytes int64
	DiskBytes   int64 // of the root disk; 0 for an instance without
}

// Resize is the capability "resize", of compute: ApplyInstance of a newer generation changes VCPUs, MemoryBytes and
// DiskBytes, at once or for the next start, and refuses a smaller disk with fault.InvalidField.
type Resize interface {
	// GetInstanceSize returns what an instance has now, and when it is started the next time; fault.NoSuchObject.
	GetInstanceSize(ctx context.Context, id string) (now, next InstanceSize, err error)
}
