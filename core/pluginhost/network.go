// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"context"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// network implements core.NetworkProvider.
type network struct{ *Session }

func (n network) networks() verbs[provider.NetworkSpec, provider.Network] {
	return verbs[provider.NetworkSpec, provider.Network]{
		kind:     provider.KindNetwork,
		tag:      func(s provider.NetworkSpec) provider.Tag { return s.Tag },
		echo:     func(s provider.NetworkSpec, handle []byte) provider.NetworkSpec { s.BackendHandle = handle; return s },
		observed: func(n *provider.Network) *provider.Observed { return &n.Observed },
		reported: func(c core.Change) *provider.Network { return c.Network },
		clean:    cleanNetwork,
		apply:    n.link.client.ApplyNetwork,
		get:      n.link.client.GetNetwork,
		delete:   n.link.client.DeleteNetwork,
	}
}

// ApplyNetwork implements core.NetworkProvider.
func (n network) ApplyNetwork(ctx context.Context, fence uint64, spec provider.NetworkSpec, progress provider.Progress) (provider.Network, error) {
	return applied(ctx, n.Session, n.networks(), fence, spec, progress)
}

// DeleteNetwork implements core.NetworkProvider.
func (n network) DeleteNetwork(ctx context.Context, fence uint64, tag provider.Tag, progress provider.Progress) error {
	return deleted(ctx, n.Session, n.networks(), fence, tag, progress)
}

func (n network) ports() verbs[provider.PortSpec, provider.Port] {
	return verbs[provider.PortSpec, provider.Port]{
		kind:     provider.KindPort,
		tag:      func(s provider.PortSpec) provider.Tag { return s.Tag },
		echo:     func(s provider.PortSpec, handle []byte) provider.PortSpec { s.BackendHandle = handle; return s },
		observed: func(p *provider.Port) *provider.Observed { return &p.Observed },
		reported: func(c core.Change) *provider.Port { return c.Port },
		clean:    cleanPort,
		apply:    n.link.client.ApplyPort,
		get:      n.link.client.GetPort,
		delete:   n.link.client.DeletePort,
	}
}

// ApplyPort implements core.NetworkProvider.
func (n network) ApplyPort(ctx context.Context, fence uint64, spec provider.PortSpec, progress provider.Progress) (provider.Port, error) {
	return applied(ctx, n.Session, n.ports(), fence, spec, progress)
}

// DeletePort implements core.NetworkProvider.
func (n network) DeletePort(ctx context.Context, fence uint64, tag provider.Tag, progress provider.Progress) error {
	return deleted(ctx, n.Session, n.ports(), fence, tag, progress)
}

func (n network) peers() verbs[provider.PeerSpec, provider.Peer] {
	return verbs[provider.PeerSpec, provider.Peer]{
		kind:     provider.KindPeer,
		tag:      func(s provider.PeerSpec) provider.Tag { return s.Tag },
		echo:     func(s provider.PeerSpec, handle []byte) provider.PeerSpec { s.BackendHandle = handle; return s },
		observed: func(p *provider.Peer) *provider.Observed { return &p.Observed },
		reported: func(c core.Change) *provider.Peer { return c.Peer },
		clean:    cleanPeer,
		apply:    n.link.client.ApplyPeer,
		get:      n.link.client.GetPeer,
		delete:   n.link.client.DeletePeer,
	}
}

// ApplyPeer implements core.NetworkProvider.
func (n network) ApplyPeer(ctx context.Context, fence uint64, spec provider.PeerSpec, progress provider.Progress) (provider.Peer, error) {
	if err := n.offers(wire.CapabilityPeers); err != nil {
		return provider.Peer{}, err
	}
	return applied(ctx, n.Session, n.peers(), fence, spec, progress)
}

// DeletePeer implements core.NetworkProvider.
func (n network) DeletePeer(ctx context.Context, fence uint64, tag provider.Tag, progress provider.Progress) error {
	if err := n.offers(wire.CapabilityPeers); err != nil {
		return err
	}
	return deleted(ctx, n.Session, n.peers(), fence, tag, progress)
}
