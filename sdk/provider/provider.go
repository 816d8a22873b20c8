// SPDX-License-Identifier: Apache-2.0

// Package provider is the contract between Rhyzome and the plugins that own real infrastructure, in Go.
//
// A plugin is one value. It implements Provider and the interfaces of what it can do: Instances for the service
// compute; Networks and Ports for the service network; Power, Images, Volumes, Snapshots, Resize, Metrics, Console,
// Exec, Peers, Forwards, Verifier, Planner, Watcher as it likes. What a value implements is what it offers: nothing is declared twice.
//
// Methods block until the work is done, and honour their context. The SDK (package plugin) makes them asynchronous on
// the wire, so an author never sees a connection. Before it calls a method, the SDK has refused what is fenced, stale
// or in conflict, and serialises the calls for one id; a method is not called when the object is READY in the wanted
// generation already.
//
// What an author owes: a method may be repeated, with the same arguments, after any crash, and the result is the same.
// The object's id, generation and digest lie in the backend, written before the first side effect, so that List of a
// new process shows what a dead one left. Deleting what does not exist succeeds. Errors are *fault.Error.
package provider

import (
	"context"
	"encoding/json"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Provider is what every plugin implements.
type Provider interface {
	// Describe returns static facts. It is called before Configure and must not touch the backend.
	Describe() Description

	// Configure checks and installs the operator's settings, a JSON object. It reports all faults at once, as
	// fault.InvalidField with JSON pointers. It may be called again at any time, with other settings.
	Configure(ctx context.Context, config json.RawMessage) error

	// Check reports whether the backend can be reached now: nil, or fault.BackendDown, fault.BackendDenied.
	// It is called every few seconds.
	Check(ctx context.Context) error
}

// Description holds the static facts of a plugin.
type Description struct {
	Name         string          // of the plugin: "libvirt"
	Version      string          // its own, for people
	ConfigSchema json.RawMessage // JSON Schema 2020-12 of the configuration
}

// Instances is the service compute.
type Instances interface {
	// ApplyInstance makes the instance as spec says, power included.
	ApplyInstance(ctx context.Context, spec InstanceSpec, progress Progress) (Instance, error)
	// GetInstance reads the backend; fault.NoSuchObject if there is nothing. What a dead process left half made is
	// returned with PhaseFailed and fault.Interrupted.
	GetInstance(ctx context.Context, id string) (Instance, error)
	// DeleteInstance removes the instance and all that belongs to it.
	DeleteInstance(ctx context.Context, id string, progress Progress) error
	// ListInstances reads the backend: every instance with our tag.
	ListInstances(ctx context.Context) ([]Instance, error)
	// ListHosts returns the machines that run instances.
	ListHosts(ctx context.Context) ([]Host, error)
}

// Networks is the one half of the service network.
type Networks interface {
	ApplyNetwork(ctx context.Context, spec NetworkSpec, progress Progress) (Network, error)
	GetNetwork(ctx context.Context, id string) (Network, error)
	DeleteNetwork(ctx context.Context, id string, progress Progress) error
	ListNetworks(ctx context.Context) ([]Network, error)
	// ListRouters returns the machines that carry networks.
	ListRouters(ctx context.Context) ([]Router, error)
}

// Ports is the other half of the service network: fixed leases and names.
type Ports interface {
	ApplyPort(ctx context.Context, spec PortSpec, progress Progress) (Port, error)
	GetPort(ctx context.Context, id string) (Port, error)
	DeletePort(ctx context.Context, id string, progress Progress) error
	ListPorts(ctx context.Context) ([]Port, error)
}

// Peers is the capability "peers". Adding or removing one must not disturb the sessions of the others.
type Peers interface {
	ApplyPeer(ctx context.Context, spec PeerSpec, progress Progress) (Peer, error)
	GetPeer(ctx context.Context, id string) (Peer, error)
	DeletePeer(ctx context.Context, id string, progress Progress) error
	ListPeers(ctx context.Context) ([]Peer, error)
}

// Power is the capability "power", of compute.
type Power interface {
	// RebootInstance restarts a running instance, unless operationID is the last one that did so (kept with the tag);
	// hard means reset. fault.BadState if it is not running.
	RebootInstance(ctx context.Context, id, operationID string, hard bool) (Instance, error)
}

// Watcher is an optional interface for backends with events. Without it the SDK polls the List methods.
type Watcher interface {
	// Watch calls changed whenever an object may have changed, until ctx ends; an empty id means all of the kind. It
	// returns an error when the backend's event source is lost; the SDK calls it again.
	Watch(ctx context.Context, changed func(kind Kind, id string)) error
}

// Progress reports how far a method has come: what is being done, for people, and 0 to 100 per cent.
type Progress func(step string, percent int)

// Kind names a kind of resource.
type Kind string

// The kinds.
const (
	KindInstance Kind = "instance"
	KindNetwork  Kind = "network"
	KindPort     Kind = "port"
	KindPeer     Kind = "peer"
	KindImage    Kind = "image"
	KindForward  Kind = "forward"
	KindVolume   Kind = "volume"
	KindSnapshot Kind = "snapshot"
)

// Phase of an object.
type Phase string

// The phases. Authors return PhaseReady or PhaseFailed; the SDK adds the others.
const (
	PhaseProgressing Phase = "progressing"
	PhaseReady       Phase = "ready"
	PhaseFailed      Phase = "failed"
	PhaseDeleting    Phase = "deleting"
)

// Tag is the identity of an object. The backend keeps it; providers compare digests and never compute them.
type Tag struct {
	ID         string // UUIDv7, made by the core, never reused
	Generation int64  // of the spec, from 1
	SpecDigest string // made by the core
	// BackendHandle is what the provider returned in Observed.BackendHandle, echoed; HandleFrom has it where there is no
	// spec. At most 4 KiB.
	BackendHandle []byte
}

// Observed is what is reported of any kind of object.
type Observed struct {
	Tag        // as the backend holds it
	Phase      Phase
	Step       string       // in PhaseProgressing and PhaseDeleting
	Percent    int          // 0 to 100
	Failure    *fault.Error // in PhaseFailed
	BackendRef string       // the object's name in the backend, for people
	ObservedAt time.Time    // set by the SDK
}
