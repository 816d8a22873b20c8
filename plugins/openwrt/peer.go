// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"net/netip"
	"slices"
	"strconv"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/rhyzome/rhyzome/plugins/openwrt/uci"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// batchPeers marks changes that go together.
const batchPeers = "peers"

// ApplyPeer implements provider.Peers.
func (p *Provider) ApplyPeer(ctx context.Context, spec provider.PeerSpec, progress provider.Progress) (provider.Peer, error) {
	r, err := p.configured()
	if err != nil {
		return provider.Peer{}, err
	}
	if r.Endpoint == nil {
		return provider.Peer{}, fault.New(fault.NoEndpoint, "this router declares no endpoint that peers could reach")
	}
	var tunnel string
	c := peerChange(progress)
	c.plan = func(f *files) (bool, error) {
		in, ok := f.find(spec.NetworkID)
		switch {
		case !ok:
			return false, noNetwork(spec.NetworkID)
		case in.tunnel == nil:
			return false, fault.New(fault.BadState, "network %s has no WireGuard endpoint", spec.NetworkID)
		}
		if err := admitPeer(f, in, spec); err != nil {
			return false, err
		}
		tunnel = in.tunnel.Name
		c.effects = effects{Handles: []string{in.handle}}
		return true, f.network.Set(peerSection(in, spec))
	}
	c.seen = map[step]func(context.Context) error{
		stepPeers: func(context.Context) error { return r.seeTunnel(tunnel) },
	}
	if err := p.queue.do(ctx, c, r.transact); err != nil {
		return provider.Peer{}, err
	}
	r.log.Info("peer applied", "peer", spec.ID, "network", spec.NetworkID, "router", r.Router.ID)
	return p.GetPeer(ctx, spec.ID)
}

func peerChange(progress provider.Progress) *change {
	return &change{steps: []step{stepPeers}, undo: []step{stepPeers}, progress: progress, batch: batchPeers, small: true}
}

// admitPeer refuses what would take another peer's place: WireGuard moves keys and addresses without a word.
func admitPeer(f *files, in carried, spec provider.PeerSpec) error {
	var faults []*fault.Error
	if _, err := wgtypes.ParseKey(spec.PublicKey); err != nil {
		faults = append(faults, fault.Invalid("/public_key", "must be 32 bytes in base64"))
	}
	if old, ok := tagged(f.network, kindPeer, spec.ID); ok && old.Get(optionNetwork) != spec.NetworkID {
		faults = append(faults, fault.Invalid("/network_id", "the peer is in network %s and stays there", old.Get(optionNetwork)))
	}
	if len(spec.Addresses) == 0 {
		faults = append(faults, fault.Invalid("/addresses", "must hold an address"))
	}
	for i, addr := range spec.Addresses {
		at := "/addresses/" + strconv.Itoa(i)
		j := slices.IndexFunc(in.peers, func(p netip.Prefix) bool { return p.Contains(addr) })
		switch {
		case j < 0:
			faults = append(faults, fault.Invalid(at, "lies in no WireGuard subnet of the network"))
		case in.peers[j].Addr() == addr:
			faults = append(faults, fault.Invalid(at, "is the router's own"))
		}
	}
	for _, s := range peersOf(f, in.handle) {
		if s.Get(optionID) == spec.ID {
			continue
		}
		if s.Get("public_key") == spec.PublicKey {
			faults = append(faults, fault.Invalid("/public_key", "is that of peer %s", s.Get(optionID)))
		}
		for i, addr := range spec.Addresses {
			if slices.ContainsFunc(prefixes(s, "allowed_ips"), func(p netip.Prefix) bool { return p.Contains(addr) }) {
				faults = append(faults, fault.Invalid("/addresses/"+strconv.Itoa(i), "is that of peer %s", s.Get(optionID)))
			}
		}
	}
	return fault.Join(faults...)
}

// peersOf returns the peers of a tunnel: ours, and those that the owner has added by hand.
func peersOf(f *files, handle string) []uci.Section {
	return slices.DeleteFunc(slices.Concat(f.network.Sections(), f.network.Foreign()), func(s uci.Section) bool {
		return s.Type != peerType(handle)
	})
}

// GetPeer implements provider.Peers.
func (p *Provider) GetPeer(ctx context.Context, id string) (provider.Peer, error) {
	all, err := p.ListPeers(ctx)
	if err != nil {
		return provider.Peer{}, err
	}
	i := slices.IndexFunc(all, func(o provider.Peer) bool { return o.ID == id })
	if i < 0 {
		return provider.Peer{}, fault.New(fault.NoSuchObject, "there is no peer %s on this router", id)
	}
	return all[i], nil
}

// ListPeers implements provider.Peers. Which peers there are stands in UCI; the WireGuard devices say how they are.
func (p *Provider) ListPeers(context.Context) ([]provider.Peer, error) {
	r, err := p.configured()
	if err != nil {
		return nil, err
	}
	f, err := r.load()
	if err != nil {
		return nil, err
	}
	devices := map[string]map[wgtypes.Key]wgtypes.Peer{}
	var all []provider.Peer
	for _, s := range objects(f.network, "", kindPeer) {
		o, ok := observe(s)
		if !ok {
			continue
		}
		handle, _, _ := splitName(s.Name)
		if devices[handle] == nil {
			devices[handle] = r.livePeers(handle)
		}
		all = append(all, observedPeer(o, s, devices[handle]))
	}
	return all, nil
}

// livePeers returns what a device has; nothing if it cannot be read.
func (r *router) livePeers(handle string) map[wgtypes.Key]wgtypes.Peer {
	peers := map[wgtypes.Key]wgtypes.Peer{}
	device, err := r.wg.Device(tunnelName(handle))
	if err != nil {
		r.log.Warn("a WireGuard device cannot be read", "interface", tunnelName(handle), "error", err)
		return peers
	}
	for _, p := range device.Peers {
		peers[p.PublicKey] = p
	}
	return peers
}

func observedPeer(o provider.Observed, s uci.Section, live map[wgtypes.Key]wgtypes.Peer) provider.Peer {
	out := provider.Peer{Observed: o, NetworkID: s.Get(optionNetwork)}
	wanted, err := peerOf(s)
	now, there := live[wanted.PublicKey]
	switch {
	case err != nil:
		fail(&out.Observed, fault.New(fault.BackendRefused, "section %s cannot be read", s.Name))
	case !there || !sameAllowed(now.AllowedIPs, wanted.AllowedIPs):
		fail(&out.Observed, fault.New(fault.Interrupted, "the WireGuard device does not have the peer"))
	default:
		out.ReceivedBytes, out.SentBytes = now.ReceiveBytes, now.TransmitBytes
		if !now.LastHandshakeTime.IsZero() {
			out.LastHandshake = now.LastHandshakeTime.Unix()
		}
	}
	return out
}

// DeletePeer implements provider.Peers.
func (p *Provider) DeletePeer(ctx context.Context, id string, progress provider.Progress) error {
	r, err := p.configured()
	if err != nil {
		return err
	}
	c := peerChange(progress)
	c.plan = func(f *files) (bool, error) {
		s, ok := tagged(f.network, kindPeer, id)
		if !ok {
			return false, nil
		}
		handle, _, _ := splitName(s.Name)
		c.effects = effects{Handles: []string{handle}}
		f.network.Delete(s.Name)
		return true, nil
	}
	if err := p.queue.do(ctx, c, r.transact); err != nil {
		return err
	}
	r.log.Info("peer deleted", "peer", id, "router", r.Router.ID)
	return nil
}
