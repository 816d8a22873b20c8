// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// verbs is one kind of resource, as the author's value implements it: S is its spec, O what is observed of it.
type verbs[S, O any] struct {
	kind     provider.Kind
	apply    func(context.Context, S, provider.Progress) (O, error)
	get      func(context.Context, string) (O, error)
	delete   func(context.Context, string, provider.Progress) error
	list     func(context.Context) ([]O, error)
	tag      func(S) provider.Tag
	observed func(*O) *provider.Observed
	event    func(O) wire.Event
	validate func(S) []*fault.Error
	change   func(before O, spec S) []*fault.Error // what a newer generation must not ask for; nil if it may ask for anything
}

// withHandle lets the author's code see what the core echoes.
func withHandle(ctx context.Context, from interface{ GetBackendHandle() []byte }) context.Context {
	return provider.WithHandle(ctx, from.GetBackendHandle())
}

func instanceVerbs(p provider.Instances, migrates bool) verbs[provider.InstanceSpec, provider.Instance] {
	return verbs[provider.InstanceSpec, provider.Instance]{
		kind:  provider.KindInstance,
		apply: p.ApplyInstance, get: p.GetInstance, delete: p.DeleteInstance, list: p.ListInstances,
		tag:      func(s provider.InstanceSpec) provider.Tag { return s.Tag },
		observed: func(o *provider.Instance) *provider.Observed { return &o.Observed },
		event:    func(o provider.Instance) wire.Event { return wire.Event{Instance: &o} },
		validate: validateInstance,
		change: func(before provider.Instance, s provider.InstanceSpec) []*fault.Error {
			return changeInstance(before, s, migrates)
		},
	}
}

func networkVerbs(p provider.Networks) verbs[provider.NetworkSpec, provider.Network] {
	return verbs[provider.NetworkSpec, provider.Network]{
		kind:  provider.KindNetwork,
		apply: p.ApplyNetwork, get: p.GetNetwork, delete: p.DeleteNetwork, list: p.ListNetworks,
		tag:      func(s provider.NetworkSpec) provider.Tag { return s.Tag },
		observed: func(o *provider.Network) *provider.Observed { return &o.Observed },
		event:    func(o provider.Network) wire.Event { return wire.Event{Network: &o} },
		validate: validateNetwork,
	}
}

func portVerbs(p provider.Ports) verbs[provider.PortSpec, provider.Port] {
	return verbs[provider.PortSpec, provider.Port]{
		kind:  provider.KindPort,
		apply: p.ApplyPort, get: p.GetPort, delete: p.DeletePort, list: p.ListPorts,
		tag:      func(s provider.PortSpec) provider.Tag { return s.Tag },
		observed: func(o *provider.Port) *provider.Observed { return &o.Observed },
		event:    func(o provider.Port) wire.Event { return wire.Event{Port: &o} },
		validate: validatePort,
	}
}

func peerVerbs(p provider.Peers) verbs[provider.PeerSpec, provider.Peer] {
	return verbs[provider.PeerSpec, provider.Peer]{
		kind:  provider.KindPeer,
		apply: p.ApplyPeer, get: p.GetPeer, delete: p.DeletePeer, list: p.ListPeers,
		tag:      func(s provider.PeerSpec) provider.Tag { return s.Tag },
		observed: func(o *provider.Peer) *provider.Observed { return &o.Observed },
		event:    func(o provider.Peer) wire.Event { return wire.Event{Peer: &o} },
		validate: validatePeer,
	}
}

func forwardVerbs(p provider.Forwards) verbs[provider.ForwardSpec, provider.Forward] {
	return verbs[provider.ForwardSpec, provider.Forward]{
		kind:  provider.KindForward,
		apply: p.ApplyForward, get: p.GetForward, delete: p.DeleteForward, list: p.ListForwards,
		tag:      func(s provider.ForwardSpec) provider.Tag { return s.Tag },
		observed: func(o *provider.Forward) *provider.Observed { return &o.Observed },
		event:    func(o provider.Forward) wire.Event { return wire.Event{Forward: &o} },
		validate: validateForward,
	}
}

func volumeVerbs(p provider.Volumes) verbs[provider.VolumeSpec, provider.Volume] {
	return verbs[provider.VolumeSpec, provider.Volume]{
		kind:  provider.KindVolume,
		apply: p.ApplyVolume, get: p.GetVolume, delete: p.DeleteVolume, list: p.ListVolumes,
		tag:      func(s provider.VolumeSpec) provider.Tag { return s.Tag },
		observed: func(o *provider.Volume) *provider.Observed { return &o.Observed },
		event:    func(o provider.Volume) wire.Event { return wire.Event{Volume: &o} },
		validate: validateVolume,
		change:   changeVolume,
	}
}

func snapshotVerbs(p provider.Snapshots, hasVolumes bool) verbs[provider.SnapshotSpec, provider.Snapshot] {
	return verbs[provider.SnapshotSpec, provider.Snapshot]{
		kind:  provider.KindSnapshot,
		apply: p.ApplySnapshot, get: p.GetSnapshot, delete: p.DeleteSnapshot, list: p.ListSnapshots,
		tag:      func(s provider.SnapshotSpec) provider.Tag { return s.Tag },
		observed: func(o *provider.Snapshot) *provider.Observed { return &o.Observed },
		event:    func(o provider.Snapshot) wire.Event { return wire.Event{Snapshot: &o} },
		validate: func(s provider.SnapshotSpec) []*fault.Error { return validateSnapshot(s, hasVolumes) },
		change:   changeSnapshot,
	}
}
