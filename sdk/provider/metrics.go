// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"context"
	"time"
)

// InstanceMetrics is what a running instance has used since a moment, and its memory now.
type InstanceMetrics struct {
	ObservedAt  time.Time     // set by the SDK, unless it is set
	Since       time.Time     // when counting began: at the guest's start, or later, where the backend lost count
	CPUTime     time.Duration // of all processors together
	MemoryBytes int64         // of the host's memory, now
	Disks       []DiskMetrics
	NICs        []NICMetrics
}

// DiskMetrics counts what went to and from one disk.
type DiskMetrics struct {
	VolumeID     string // "" for the instance's own disk
	ReadBytes    int64
	WrittenBytes int64
	Reads        int64
	Writes       int64
}

// NICMetrics counts what went through one port, as the guest sees it.
type NICMetrics struct {
	PortID          string
	ReceivedBytes   int64
	SentBytes       int64
	ReceivedPackets int64
	SentPackets     int64
}

// Metrics is the capability "metrics", of compute.
type Metrics interface {
	// GetInstanceMetrics reads the counters, which never fall while Since stays the same. fault.NoSuchObject,
	// fault.BadState if the instance is not running.
	GetInstanceMetrics(ctx context.Context, id string) (InstanceMetrics, error)
}
