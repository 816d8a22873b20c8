// SPDX-License-Identifier: Apache-2.0

package core

import "time"

// Host is a machine that runs instances, as its provider reports it.
type Host struct {
	Meta
	Provider     string           `json:"provider" description:"Id of the provider."`
	BackendID    string           `json:"backend_id" description:"The machine's own stable id."`
	Capacity     map[string]int64 `json:"capacity" description:"In all, by unit: vcpus, memory_bytes, disk_bytes."`
	Allocated    map[string]int64 `json:"allocated,omitempty" description:"Promised to instances."`
	Fabrics      []string         `json:"fabrics" nullable:"false"`
	Architecture string           `json:"architecture,omitempty"`
	Cordoned     bool             `json:"cordoned"`
	State        string           `json:"state" enum:"ready,unreachable"`
	ObservedAt   *time.Time       `json:"observed_at,omitempty"`
}

// Router is a machine that carries networks, as its provider reports it.
type Router struct {
	Meta
	Provider    string     `json:"provider" description:"Id of the provider."`
	BackendID   string     `json:"backend_id" description:"The machine's own stable id."`
	Fabrics     []string   `json:"fabrics" nullable:"false"`
	Endpoint    *Endpoint  `json:"endpoint,omitempty" description:"Where peers reach it; without one, peers cannot be created."`
	MTU         int        `json:"mtu"`
	MaxNetworks int        `json:"max_networks,omitempty"`
	State       string     `json:"state" enum:"ready,unreachable"`
	ObservedAt  *time.Time `json:"observed_at,omitempty"`
}

// Endpoint is where peers reach a router from outside.
type Endpoint struct {
	Host           string `json:"host"`
	PortMin        int    `json:"port_min"`
	PortMax        int    `json:"port_max"`
	OutsidePortMin int    `json:"outside_port_min,omitempty"`
}

// States of hosts and routers.
const (
	PlaceReady       = "ready"
	PlaceUnreachable = "unreachable"
)

// Fabric is an L2 domain that hosts and routers share. An operator makes it; hosts and routers name it in their
// configuration.
type Fabric struct {
	Meta
	Spec FabricSpec `json:"spec"`
}

// FabricSpec is what was asked.
type FabricSpec struct {
	Kind       string `json:"kind" required:"true" enum:"vlan"`
	SegmentMin int    `json:"segment_min" required:"true" minimum:"1" maximum:"4094" description:"First VLAN id."`
	SegmentMax int    `json:"segment_max" required:"true" minimum:"1" maximum:"4094" description:"Last VLAN id, inclusive."`
}
