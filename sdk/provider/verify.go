// SPDX-License-Identifier: Apache-2.0

package provider

import "context"

// AnySpec is the spec of one object: one field is set.
type AnySpec struct {
	Instance *InstanceSpec
	Network  *NetworkSpec
	Port     *PortSpec
	Peer     *PeerSpec
	Forward  *ForwardSpec
	Volume   *VolumeSpec
	Snapshot *SnapshotSpec
}

// Drift is a field in which the backend differs from a spec.
type Drift struct {
	Field string // JSON pointer into the spec, with the names of the contract: "/nics/0/mac"; "" for the object as a whole
	Want  string // for people; "" for a secret, as Got
	Got   string
}

// Verifier is the capability "verify".
type Verifier interface {
	// Verify compares what the backend holds of an object, which exists, with its spec, of a kind that the value
	// implements. It changes nothing.
	Verify(ctx context.Context, spec AnySpec) ([]Drift, error)
}

// Plan is what an Apply would do.
type Plan struct {
	Steps           []string // in their order, for people: "growing the disk"
	InterruptsGuest bool     // a guest that runs would be stopped or restarted
	DropsFlows      bool     // flows that are established would break
}

// Planner is the capability "plan".
type Planner interface {
	// Plan tells what Apply of a spec would do, of a kind that the value implements, and returns the error that it would
	// be refused with. The SDK does not ask about what is READY in that generation. It changes nothing.
	Plan(ctx context.Context, spec AnySpec) (Plan, error)
}
