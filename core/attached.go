// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"io"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Providers finds attached providers. core/pluginhost implements it; the use cases call it.
type Providers interface {
	// Compute returns a provider's service compute: fault.ProviderAway if it is not attached, NoCapability if it does
	// not offer the service.
	Compute(id string) (ComputeProvider, error)
	// Network returns a provider's service network, likewise.
	Network(id string) (NetworkProvider, error)
}

// ComputeProvider is an attached provider's service compute. Calls block until the provider reports the outcome, and
// report what it does on the way. A lost connection is fault.ProviderAway: the outcome is unknown, repeat later.
type ComputeProvider interface {
	ApplyInstance(ctx context.Context, fence uint64, spec provider.InstanceSpec, progress provider.Progress) (provider.Instance, error)
	DeleteInstance(ctx context.Context, fence uint64, tag provider.Tag, progress provider.Progress) error
	GetInstance(ctx context.Context, id string) (provider.Instance, error)
	RebootInstance(ctx context.Context, fence uint64, id, operationID string, hard bool) error
	// EnsureImage pushes content that the provider does not have. open is called with the offset to begin at.
	EnsureImage(ctx context.Context, ref provider.ImageRef, open func(offset int64) (io.ReadCloser, error), progress provider.Progress) error
}

// NetworkProvider is an attached provider's service network, with the capability peers if it has it.
type NetworkProvider interface {
	ApplyNetwork(ctx context.Context, fence uint64, spec provider.NetworkSpec, progress provider.Progress) (provider.Network, error)
	DeleteNetwork(ctx context.Context, fence uint64, tag provider.Tag, progress provider.Progress) error
	ApplyPort(ctx context.Context, fence uint64, spec provider.PortSpec, progress provider.Progress) (provider.Port, error)
	DeletePort(ctx context.Context, fence uint64, tag provider.Tag, progress provider.Progress) error
	ApplyPeer(ctx context.Context, fence uint64, spec provider.PeerSpec, progress provider.Progress) (provider.Peer, error)
	DeletePeer(ctx context.Context, fence uint64, tag provider.Tag, progress provider.Progress) error
}

// Observer is told what attached providers report. core/inventory implements it; core/pluginhost calls it, one call at
// a time for one provider.
type Observer interface {
	// Attached is called when a provider is configured and its snapshot was read, before new work goes to it.
	Attached(ctx context.Context, providerID string, info ProviderInfo, s Snapshot) error
	// Observed is called for each change after the snapshot.
	Observed(ctx context.Context, providerID string, c Change) error
	// Seen is called with each heartbeat and status.
	Seen(ctx context.Context, providerID string, state ProviderState, message string) error
	// Refused is called when the provider does not take its configuration; faults lists the fields that it names.
	Refused(ctx context.Context, providerID, message string, faults []ProblemField) error
	// Detached is called when the connection is gone or silent. meant says that it was ended here, and nothing is wrong.
	Detached(ctx context.Context, providerID, why string, meant bool) error
}

// ProviderInfo is what a provider told about itself when it attached.
type ProviderInfo struct {
	Plugin       string
	Version      string
	Services     []string
	Capabilities []string
	MachineID    string
	Way          Way
	Address      string // remote address, or "child"
	Digest       string // SHA-256 of its program: measured if it is a child, else as it says itself; may be empty
	Core         string // that it is attached to
}

// Snapshot is everything that a provider has with our tag.
type Snapshot struct {
	Hosts     []provider.Host
	Routers   []provider.Router
	Instances []provider.Instance
	Networks  []provider.Network
	Ports     []provider.Port
	Peers     []provider.Peer
}

// Change is one thing that a provider reported; exactly one field is set.
type Change struct {
	Host     *provider.Host
	Router   *provider.Router
	Instance *provider.Instance
	Network  *provider.Network
	Port     *provider.Port
	Peer     *provider.Peer
	Removed  *Removed
}

// Removed says that an object is gone from the backend.
type Removed struct {
	Kind provider.Kind
	ID   string
}
