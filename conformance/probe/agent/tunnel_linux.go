// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"

	"github.com/rhyzome/rhyzome/conformance/probe"
)

// tunnelDevice is the name of the interface; a place has one at a time.
const tunnelDevice = "rzprobe0"

// Dial implements Client.Dial: with WireGuard in this process, so that no kernel module is needed.
func (a *agent) Dial(t probe.Tunnel, _ *struct{}) error {
	if err := a.HangUp(struct{}{}, nil); err != nil {
		return err
	}
	settings, err := settingsOf(t)
	if err != nil {
		return err
	}
	tunnel, err := tun.CreateTUN(tunnelDevice, t.MTU)
	if err != nil {
		return fmt.Errorf("tunnel: %w", err)
	}
	d := device.NewDevice(tunnel, conn.NewDefaultBind(), device.NewLogger(device.LogLevelSilent, ""))
	if err := errors.Join(d.IpcSet(settings), d.Up()); err != nil {
		d.Close()
		return fmt.Errorf("tunnel: %w", err)
	}
	a.mu.Lock()
	a.drop = func() error { d.Close(); return nil }
	a.mu.Unlock()
	return a.route(t)
}

// route leads what the tunnel is for into it.
func (a *agent) route(t probe.Tunnel) error {
	link, err := netlink.LinkByName(tunnelDevice)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	own := probe.Address{Interface: tunnelDevice}
	for _, addr := range t.Addresses {
		own.Addresses = append(own.Addresses, netip.PrefixFrom(addr, addr.BitLen()))
	}
	if err := a.SetAddress(own, nil); err != nil {
		return err
	}
	for _, to := range t.Allowed {
		if err := a.SetRoute(probe.Route{Interface: tunnelDevice, To: to}, nil); err != nil {
			return err
		}
	}
	return nil
}

// HangUp implements Client.HangUp.
func (a *agent) HangUp(struct{}, *struct{}) error {
	a.mu.Lock()
	drop := a.drop
	a.drop = nil
	a.mu.Unlock()
	if drop == nil {
		return nil
	}
	return drop()
}

// settings in WireGuard's own words (its cross-platform interface): keys in hexadecimal.
func settingsOf(t probe.Tunnel) (string, error) {
	private, err := hexKey(t.PrivateKey)
	if err != nil {
		return "", fmt.Errorf("private key: %w", err)
	}
	peer, err := hexKey(t.Peer)
	if err != nil {
		return "", fmt.Errorf("the endpoint's key: %w", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "private_key=%s\npublic_key=%s\nendpoint=%s\n", private, peer, t.Endpoint)
	for _, p := range t.Allowed {
		fmt.Fprintf(&b, "allowed_ip=%s\n", p)
	}
	return b.String(), nil
}

func hexKey(key string) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(key)
	if err == nil && len(raw) != device.NoisePublicKeySize {
		err = fmt.Errorf("%d bytes instead of %d", len(raw), device.NoisePublicKeySize)
	}
	return hex.EncodeToString(raw), err
}
