// SPDX-License-Identifier: Apache-2.0

package core

import "time"

// Instance is a virtual machine or a unikernel.
type Instance struct {
	Meta
	Project string         `json:"project"`
	Spec    InstanceSpec   `json:"spec"`
	Status  InstanceStatus `json:"status"`
}

// InstanceSpec is what was asked.
type InstanceSpec struct {
	Kind        string       `json:"kind,omitempty" enum:"vm,unikernel" default:"vm"`
	Image       string       `json:"image" required:"true" description:"Id or name: the disk image of a vm, the kernel of a unikernel."`
	VCPUs       int          `json:"vcpus,omitempty" minimum:"1" maximum:"256" default:"1"`
	MemoryBytes int64        `json:"memory_bytes,omitempty" minimum:"67108864" default:"536870912"`
	DiskBytes   int64        `json:"disk_bytes,omitempty" minimum:"0" description:"Size of a vm's root disk; the image's own size if left out."`
	CommandLine string       `json:"command_line,omitempty" maxLength:"4096" description:"Of a unikernel."`
	Initrd      string       `json:"initrd,omitempty" description:"Id or name of an image; unikernels only."`
	Networks    []Attachment `json:"networks,omitempty" nullable:"false" maxItems:"8"`
	CloudInit   *CloudInit   `json:"cloud_init,omitempty"`
	Power       string       `json:"power,omitempty" enum:"running,stopped" default:"running"`
	Host        string       `json:"host,omitempty" description:"Id or name of a host, to pin the instance to it."`
}

// Attachment asks for a port.
type Attachment struct {
	Network string `json:"network" required:"true" description:"Id or name."`
}

// CloudInit asks for a NoCloud seed. Host name and network configuration are added by the core.
type CloudInit struct {
	UserData string   `json:"user_data,omitempty" maxLength:"65536" writeOnly:"true" description:"May hold secrets: it is never shown again."`
	SSHKeys  []string `json:"ssh_keys,omitempty" nullable:"false" maxItems:"64"`
}

// InstanceStatus is what is true.
type InstanceStatus struct {
	State      InstanceState `json:"state" enum:"building,running,stopped,deleting,error,unknown"`
	Message    string        `json:"message,omitempty"`
	Power      string        `json:"power,omitempty" enum:"running,stopped" description:"As last observed; absent until then."`
	Host       string        `json:"host,omitempty" description:"Id of the host."`
	HostName   string        `json:"host_name,omitempty"`
	Ports      []Port        `json:"ports" nullable:"false"`
	Operation  string        `json:"operation,omitempty" description:"Id of the operation that works on it now."`
	ObservedAt *time.Time    `json:"observed_at,omitempty"`
}

// InstanceState of an instance. What is being done with it is its operation's business.
type InstanceState string

// The states of an instance.
const (
	InstanceBuilding InstanceState = "building"
	InstanceRunning  InstanceState = "running"
	InstanceStopped  InstanceState = "stopped"
	InstanceDeleting InstanceState = "deleting"
	InstanceError    InstanceState = "error"
	InstanceUnknown  InstanceState = "unknown"
)
