// SPDX-License-Identifier: Apache-2.0

package provider

import "net/netip"

// InstanceKind says how an instance boots.
type InstanceKind string

// The kinds of instance.
const (
	InstanceVM        InstanceKind = "vm"        // a disk image, booted by firmware
	InstanceUnikernel InstanceKind = "unikernel" // a kernel image with a command line, booted directly
)

// PowerState of an instance.
type PowerState string

// The power states.
const (
	PowerRunning PowerState = "running"
	PowerStopped PowerState = "stopped"
)

// InstanceSpec is everything that a provider needs to make an instance. It arrives resolved: nothing is left to look
// up, choose or allocate.
type InstanceSpec struct {
	Tag
	Project     string // DNS label, for titles and metadata
	Name        string // DNS label
	HostID      string // from ListHosts
	Kind        InstanceKind
	VCPUs       int
	MemoryBytes int64
	Image       ImageRef // the disk image of a vm, the kernel of a unikernel
	DiskBytes   int64    // size of a vm's root disk; 0 for the image's own
	CommandLine string   // unikernel
	Initrd      *ImageRef
	NICs        []NIC
	CloudInit   *CloudInit // nil for no NoCloud seed
	Power       PowerState
}

// NIC is an instance's side of a port.
type NIC struct {
	PortID    string
	NetworkID string
	Fabric    string
	SegmentID int    // VLAN id on a vlan fabric
	MAC       string // "52:54:00:12:34:56"
	Addresses []netip.Addr
	MTU       int // bytes
}

// CloudInit is the content of a NoCloud seed (https://cloudinit.readthedocs.io, datasource NoCloud).
type CloudInit struct {
	UserData      string
	MetaData      string
	NetworkConfig string
}

// Instance is what the backend says about an instance.
type Instance struct {
	Observed
	Power                 PowerState
	HostID                string
	LastRebootOperationID string
	LastExecOperationID   string
}

// Host is a machine that runs instances.
type Host struct {
	ID           string // stable, the machine's own (machine-id)
	Name         string
	Capacity     map[string]int64 // in all, by unit: UnitVCPUs, UnitMemoryBytes, UnitDiskBytes
	Fabrics      []string
	Labels       map[string]string
	Architecture string // "x86_64"
}

// Units of Host.Capacity.
const (
	UnitVCPUs       = "vcpus"
	UnitMemoryBytes = "memory_bytes"
	UnitDiskBytes   = "disk_bytes"
)
