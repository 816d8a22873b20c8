// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"iter"
	"time"
)

// Instance is a virtual machine or a unikernel.
type Instance struct {
	Meta
	Project string         `json:"project"`
	Spec    InstanceSpec   `json:"spec"`
	Status  InstanceStatus `json:"status"`
}

// InstanceSpec is what was asked.
type InstanceSpec struct {
	Kind        string       `json:"kind,omitempty"` // KindVM if left out
	Image       string       `json:"image"`          // id or name: the disk image of a vm, the kernel of a unikernel
	VCPUs       int          `json:"vcpus,omitempty"`
	MemoryBytes int64        `json:"memory_bytes,omitempty"`
	DiskBytes   int64        `json:"disk_bytes,omitempty"`   // a vm's root disk; the image's own size if left out
	CommandLine string       `json:"command_line,omitempty"` // of a unikernel
	Initrd      string       `json:"initrd,omitempty"`       // id or name of an image; unikernels only
	Networks    []Attachment `json:"networks,omitempty"`
	CloudInit   *CloudInit   `json:"cloud_init,omitempty"`
	Power       string       `json:"power,omitempty"` // PowerRunning if left out
	Host        string       `json:"host,omitempty"`  // id or name, to pin the instance to it
}

// The kinds of instance.
const (
	KindVM        = "vm"        // boots a disk image by firmware
	KindUnikernel = "unikernel" // boots a kernel image directly
)

// The power states.
const (
	PowerRunning = "running"
	PowerStopped = "stopped"
)

// Attachment asks for a port.
type Attachment struct {
	Network string `json:"network"` // id or name
}

// CloudInit asks for a NoCloud seed. Host name and network configuration are added by the core.
type CloudInit struct {
	UserData string   `json:"user_data,omitempty"`
	SSHKeys  []string `json:"ssh_keys,omitempty"`
}

// InstanceStatus is what is true.
type InstanceStatus struct {
	State      InstanceState `json:"state"`
	Power      string        `json:"power,omitempty"` // as last observed; empty until then
	Message    string        `json:"message,omitempty"`
	Host       string        `json:"host,omitempty"` // id
	HostName   string        `json:"host_name,omitempty"`
	Ports      []Port        `json:"ports"`
	Operation  string        `json:"operation,omitempty"` // id of the operation that works on it now
	ObservedAt *time.Time    `json:"observed_at,omitempty"`
}

// Port is an instance's attachment to a network: MAC, addresses, name.
type Port struct {
	ID          string   `json:"id"`
	Network     string   `json:"network"` // id
	NetworkName string   `json:"network_name"`
	Instance    string   `json:"instance"` // id
	MAC         string   `json:"mac"`
	Addresses   []string `json:"addresses"` // fixed; the guest gets them by DHCP
	DNSName     string   `json:"dns_name"`
	Generation  int64    `json:"generation"`
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
	InstanceUnknown  InstanceState = "unknown" // its provider is unreachable
)

// NewInstance asks for an instance.
type NewInstance struct {
	Name        string            `json:"name"` // DNS label, fixed after creation
	DisplayName string            `json:"display_name,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Spec        InstanceSpec      `json:"spec"`
}

// Instances is the client of /v1/projects/{project}/instances.
type Instances struct{ t *transport }

// Create accepts an instance: host and addresses are decided, and it runs when the operation has succeeded.
// fault.NoHost if no host can take it, fault.ImageNotReady if its image has no content yet.
func (s *Instances) Create(ctx context.Context, project string, instance NewInstance) (Instance, Operation, error) {
	return accept[Instance](ctx, s.t, instance, "projects", project, "instances")
}

// List returns one page and the cursor of the next.
func (s *Instances) List(ctx context.Context, project string, page Page) ([]Instance, string, error) {
	p, err := path("projects", project, "instances")
	if err != nil {
		return nil, "", err
	}
	return getPage[Instance](ctx, s.t, p, nil, page)
}

// All walks through every instance of a project.
func (s *Instances) All(ctx context.Context, project string) iter.Seq2[Instance, error] {
	return all(func(p Page) ([]Instance, string, error) { return s.List(ctx, project, p) })
}

// Get returns an instance; fault.UnknownResource if there is none.
func (s *Instances) Get(ctx context.Context, project, instance string) (Instance, error) {
	return get[Instance](ctx, s.t, "projects", project, "instances", instance)
}

// Delete begins to delete an instance with its disk and its ports.
func (s *Instances) Delete(ctx context.Context, project, instance string) (Operation, error) {
	return retire(ctx, s.t, "projects", project, "instances", instance)
}

// Start begins to start an instance.
func (s *Instances) Start(ctx context.Context, project, instance string) (Operation, error) {
	return s.act(ctx, "start", nil, project, instance)
}

// Stop begins to stop an instance; it stays so.
func (s *Instances) Stop(ctx context.Context, project, instance string) (Operation, error) {
	return s.act(ctx, "stop", nil, project, instance)
}

// Reboot begins to restart a running instance; hard does not ask the guest.
func (s *Instances) Reboot(ctx context.Context, project, instance string, hard bool) (Operation, error) {
	return s.act(ctx, "reboot", reboot{hard}, project, instance)
}

type reboot struct {
	Hard bool `json:"hard"`
}

func (s *Instances) act(ctx context.Context, action string, body any, project, instance string) (Operation, error) {
	a, err := act[started](ctx, s.t, action, body, "projects", project, "instances", instance)
	return a.Operation, err
}
