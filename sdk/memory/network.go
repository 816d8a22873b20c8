// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"slices"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// network is a pretended network. Its WireGuard key is made here and stays here.
type network struct {
	Name       string // that somebody gave it; "" for ours
	Spec       provider.NetworkSpec
	Made       bool
	PrivateKey []byte
	PublicKey  string
}

func (n network) observe() provider.Network {
	out := provider.Network{Observed: named(observe(n.Spec.Tag, n.Made), n.Name)}
	if n.Spec.WireGuard != nil {
		out.WireGuardPublicKey = n.PublicKey
	}
	return out
}

var networkShelf = shelf[network, provider.Network]{
	kind:    provider.KindNetwork,
	records: func(d *data) map[string]network { return d.Networks },
	observe: network.observe,
	unmake:  func(n network) network { n.Made = false; return n },
}

// networks implements provider.Networks, provider.Ports, provider.Peers and provider.Forwards.
type networks struct{ b *Backend }

// ApplyNetwork implements provider.Networks. A key, once made, stays for the life of the network: peers depend on it.
func (p networks) ApplyNetwork(ctx context.Context, spec provider.NetworkSpec, progress provider.Progress) (provider.Network, error) {
	begin := func(d *data, n network) (network, error) {
		n.Spec, n.Made = spec, false
		if spec.WireGuard != nil && n.PrivateKey == nil {
			key, err := ecdh.X25519().GenerateKey(rand.Reader)
			if err != nil {
				return n, err
			}
			n.PrivateKey, n.PublicKey = key.Bytes(), base64.StdEncoding.EncodeToString(key.PublicKey().Bytes())
		}
		return n, d.routes(spec)
	}
	finish := func(n network) network { n.Made = true; return n }
	return networkShelf.apply(p.b.begin(ctx, "ApplyNetwork", progress), spec.ID, []string{StepRoute}, begin, finish)
}

// routes checks what only the backend knows: the router, its fabrics, and who has the segment.
func (d *data) routes(spec provider.NetworkSpec) error {
	at := slices.IndexFunc(d.Routers, func(r provider.Router) bool { return r.ID == spec.RouterID })
	if at < 0 {
		return fault.Invalid("/router_id", "there is no router %s", spec.RouterID)
	}
	router := d.Routers[at]
	if !slices.Contains(router.Fabrics, spec.Fabric) {
		return fault.Invalid("/fabric", "router %s does not reach fabric %s", router.ID, spec.Fabric)
	}
	carried := 0
	for id, n := range d.Networks {
		if id == spec.ID || n.Spec.RouterID != router.ID {
			continue
		}
		carried++
		if n.Spec.Fabric == spec.Fabric && n.Spec.SegmentID == spec.SegmentID {
			return fault.New(fault.ForeignConflict, "network %s has segment %d of %s", id, spec.SegmentID, spec.Fabric)
		}
	}
	if router.MaxNetworks > 0 && carried >= router.MaxNetworks {
		return fault.New(fault.NoCapacity, "router %s carries %d networks already", router.ID, carried)
	}
	return nil
}

// GetNetwork implements provider.Networks.
func (p networks) GetNetwork(ctx context.Context, id string) (provider.Network, error) {
	return networkShelf.get(p.b.begin(ctx, "GetNetwork", nil), id)
}

// DeleteNetwork implements provider.Networks.
func (p networks) DeleteNetwork(ctx context.Context, id string, progress provider.Progress) error {
	free := func(d *data) error {
		for other, port := range d.Ports {
			if port.Spec.NetworkID == id {
				return fault.New(fault.InUse, "port %s is on network %s", other, id)
			}
		}
		for other, peer := range d.Peers {
			if peer.Spec.NetworkID == id {
				return fault.New(fault.InUse, "peer %s is on network %s", other, id)
			}
		}
		for other, forward := range d.Forwards {
			if forward.Spec.NetworkID == id {
				return fault.New(fault.InUse, "forward %s leads into network %s", other, id)
			}
		}
		return nil
	}
	return networkShelf.remove(p.b.begin(ctx, "DeleteNetwork", progress), id, free)
}

// ListNetworks implements provider.Networks.
func (p networks) ListNetworks(ctx context.Context) ([]provider.Network, error) {
	return networkShelf.list(p.b.begin(ctx, "ListNetworks", nil))
}

// ListRouters implements provider.Networks.
func (p networks) ListRouters(ctx context.Context) ([]provider.Router, error) {
	if err := p.b.begin(ctx, "ListRouters", nil).at("", 0); err != nil {
		return nil, err
	}
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	return slices.Clone(p.b.data.Routers), nil
}
