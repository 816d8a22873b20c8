// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"slices"

	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/rhyzome/rhyzome/plugins/openwrt/uci"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// wireGuard reads and changes WireGuard devices.
type wireGuard interface {
	Device(name string) (*wgtypes.Device, error)
	ConfigureDevice(name string, config wgtypes.Config) error
}

// liveWireGuard talks to the kernel or to wireguard-go. A client is opened for each call, because one that was opened
// before the kernel module was loaded never sees the kernel's devices.
type liveWireGuard struct{}

func (liveWireGuard) Device(name string) (device *wgtypes.Device, err error) {
	client, err := wgctrl.New()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	return client.Device(name)
}

func (liveWireGuard) ConfigureDevice(name string, config wgtypes.Config) (err error) {
	client, err := wgctrl.New()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	return client.ConfigureDevice(name, config)
}

// setPeers gives the networks' devices the peers that UCI has, and takes others away. Those that are right already are
// not touched, and so no session of theirs is.
func (r *router) setPeers(ctx context.Context, handles []string) error {
	f, err := r.load()
	if err != nil {
		return err
	}
	for _, handle := range slices.Compact(slices.Sorted(slices.Values(handles))) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := r.setPeersOf(f, handle); err != nil {
			return err
		}
	}
	return nil
}

// setPeersOf does it for one device, and reports how many peers it changed. A device that is away gets its peers from
// netifd when it comes.
func (r *router) setPeersOf(f *files, handle string) (changed int, err error) {
	name := tunnelName(handle)
	device, err := r.wg.Device(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, wireGuardFault(name, err)
	}
	wanted := map[wgtypes.Key]wgtypes.PeerConfig{}
	for _, s := range peersOf(f, handle) {
		peer, err := peerOf(s)
		if err != nil {
			r.log.Warn("a peer's section cannot be read", "section", s.Name)
			continue
		}
		wanted[peer.PublicKey] = peer
	}
	var set []wgtypes.PeerConfig
	for _, now := range device.Peers {
		peer, keep := wanted[now.PublicKey]
		switch {
		case !keep:
			set = append(set, wgtypes.PeerConfig{PublicKey: now.PublicKey, Remove: true, UpdateOnly: true})
		case sameAllowed(now.AllowedIPs, peer.AllowedIPs):
			delete(wanted, now.PublicKey)
		}
	}
	for _, peer := range wanted { // behind the removals, whose addresses may be given anew
		set = append(set, peer)
	}
	if len(set) == 0 {
		return 0, nil
	}
	return len(set), wireGuardFault(name, r.wg.ConfigureDevice(name, wgtypes.Config{Peers: set}))
}

// seeTunnel looks whether a device is there.
func (r *router) seeTunnel(name string) error {
	_, err := r.wg.Device(name)
	return wireGuardFault(name, err)
}

// awaitTunnel waits until a network's device has the network's key. Without a tunnel there is nothing to wait for.
func (r *router) awaitTunnel(ctx context.Context, handle string) error {
	f, err := r.load()
	if err != nil {
		return err
	}
	c, _ := f.first(func(c carried) bool { return c.handle == handle })
	key, err := c.publicKey()
	if err != nil || key == "" {
		return err
	}
	return await(ctx, upTimeout, func(context.Context) error {
		device, err := r.wg.Device(c.tunnel.Name)
		if err == nil && device.PublicKey.String() != key {
			return fault.New(fault.BackendRefused, "WireGuard device %s has another key than its configuration", c.tunnel.Name)
		}
		return wireGuardFault(c.tunnel.Name, err)
	})
}

// peerOf reads a peer's section.
func peerOf(s uci.Section) (wgtypes.PeerConfig, error) {
	key, err := wgtypes.ParseKey(s.Get("public_key"))
	if err != nil {
		return wgtypes.PeerConfig{}, err
	}
	peer := wgtypes.PeerConfig{PublicKey: key, ReplaceAllowedIPs: true}
	for _, p := range prefixes(s, "allowed_ips") {
		peer.AllowedIPs = append(peer.AllowedIPs, net.IPNet{
			IP: p.Masked().Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
		})
	}
	return peer, nil
}

func sameAllowed(a, b []net.IPNet) bool {
	words := func(all []net.IPNet) []string {
		var out []string
		for _, n := range all {
			out = append(out, n.String())
		}
		slices.Sort(out)
		return out
	}
	return slices.Equal(words(a), words(b))
}
