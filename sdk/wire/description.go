// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/json"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Description is what a provider says about itself: the author's words, and what the SDK found.
type Description struct {
	provider.Description
	Services     []string
	Capabilities []Capability
	ProcessID    string // changes with each start of the process
}

// Capability is an optional ability, with the revision of its contract.
type Capability struct {
	Name     string
	Revision uint32
}

// Names of services and capabilities.
const (
	ServiceCompute      = "compute"
	ServiceNetwork      = "network"
	CapabilityPower     = "power"
	CapabilityImages    = "images"
	CapabilityVolumes   = "volumes"
	CapabilitySnapshots = "snapshots"
	CapabilityResize    = "resize"
	CapabilityMigrate   = "migrate"
	CapabilityMetrics   = "metrics"
	CapabilityConsole   = "console"
	CapabilityExec      = "exec"
	CapabilityPeers     = "peers"
	CapabilityForwards  = "forwards"
	CapabilityVerify    = "verify"
	CapabilityPlan      = "plan"
)

// Offers reports whether the provider advertises a service or capability.
func (d Description) Offers(name string) bool {
	for _, s := range d.Services {
		if s == name {
			return true
		}
	}
	for _, c := range d.Capabilities {
		if c.Name == name {
			return true
		}
	}
	return false
}

// DescriptionToProto converts what a provider says about itself.
func DescriptionToProto(d Description) *pb.DescribeResponse {
	out := &pb.DescribeResponse{
		Name: d.Name, Version: d.Version, Services: d.Services, ConfigSchema: string(d.ConfigSchema), ProcessId: d.ProcessID,
	}
	for _, c := range d.Capabilities {
		out.Capabilities = append(out.Capabilities, &pb.Capability{Name: c.Name, Revision: c.Revision})
	}
	return out
}

// DescriptionFromProto is the inverse of DescriptionToProto.
func DescriptionFromProto(m *pb.DescribeResponse) Description {
	out := Description{
		Description: provider.Description{Name: m.GetName(), Version: m.GetVersion()},
		Services:    m.GetServices(), ProcessID: m.GetProcessId(),
	}
	if m.GetConfigSchema() != "" {
		out.ConfigSchema = json.RawMessage(m.GetConfigSchema())
	}
	for _, c := range m.GetCapabilities() {
		out.Capabilities = append(out.Capabilities, Capability{Name: c.GetName(), Revision: c.GetRevision()})
	}
	return out
}
