// SPDX-License-Identifier: Apache-2.0

package netifd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/rhyzome/rhyzome/lab/machine"
	"github.com/rhyzome/rhyzome/lab/openwrt/uci"
)

// startWireGuard makes the device of a WireGuard interface with its key, port, peers, addresses and routes. Peers are read
// here and nowhere else: a reload does not apply theirs. As with the real handler, bad settings leave the interface down
// without an error in its status.
func startWireGuard(ctx context.Context, c interfaceConfig) (addressing, error) {
	settings, err := wireGuardSettings(c)
	if err != nil {
		return addressing{}, err
	}
	a := addressing{}
	for _, word := range c.words("addresses") {
		p, err := parseAddress(word, "", hostBits(word))
		if err != nil {
			return a, invalid("INVALID_ADDRESS", word)
		}
		a.addresses = append(a.addresses, p)
	}
	if a.routes, err = peerRoutes(c.peers); err != nil {
		return a, err
	}
	if a.link, err = makeWireGuard(ctx, c.name); err != nil {
		return a, err
	}
	if mtu, err := strconv.Atoi(c.options["mtu"]); err == nil {
		if err := netlink.LinkSetMTU(a.link, mtu); err != nil {
			return a, err
		}
	}
	if err := configureWireGuard(c.name, settings); err != nil {
		return a, err
	}
	return a, netlink.LinkSetUp(a.link)
}

func hostBits(word string) int {
	if strings.Contains(word, ":") {
		return 128
	}
	return 32
}

// makeWireGuard makes a device: the kernel's, or where it has none a program's in user space.
func makeWireGuard(ctx context.Context, name string) (netlink.Link, error) {
	err := netlink.LinkAdd(&netlink.Wireguard{LinkAttrs: netlink.LinkAttrs{Name: name}})
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = startUserspace(ctx, name)
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("wireguard %s: %w", name, err)
	}
	return netlink.LinkByName(name)
}

// startUserspace starts wireguard-go and waits until it answers.
func startUserspace(ctx context.Context, name string) error {
	err := machine.Inside().Start(ctx, machine.Service{Name: wireGuardService(name), Args: []string{"wireguard-go", "-f", name}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		if conn, err := (&net.Dialer{}).DialContext(ctx, "unix", wireGuardSocket(name)); err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wireguard-go does not answer: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func wireGuardService(name string) string { return "wireguard." + name }
func wireGuardSocket(name string) string  { return "/var/run/wireguard/" + name + ".sock" }

// stopWireGuard removes the device, and the program if it is one's.
func stopWireGuard(ctx context.Context, name string) error {
	services, err := machine.Inside().List(ctx)
	if err != nil {
		return err
	}
	for _, s := range services {
		if s.Name == wireGuardService(name) {
			if err := machine.Inside().Stop(ctx, s.Name); err != nil {
				return err
			}
			return os.RemoveAll(wireGuardSocket(name))
		}
	}
	link, err := netlink.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return err
	}
	return netlink.LinkDel(link)
}

func configureWireGuard(name string, settings wgtypes.Config) error {
	client, err := wgctrl.New()
	if err != nil {
		return err
	}
	if err := errors.Join(client.ConfigureDevice(name, settings), client.Close()); err != nil {
		return fmt.Errorf("wireguard %s: %w", name, err)
	}
	return nil
}

func wireGuardSettings(c interfaceConfig) (wgtypes.Config, error) {
	key, err := wgtypes.ParseKey(c.options["private_key"])
	if err != nil {
		return wgtypes.Config{}, fmt.Errorf("private_key: %w", err)
	}
	settings := wgtypes.Config{PrivateKey: &key, ReplacePeers: true}
	if text := c.options["listen_port"]; text != "" {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return settings, fmt.Errorf("listen_port: %w", err)
		}
		number := int(port)
		settings.ListenPort = &number
	}
	for _, s := range c.peers {
		if s.Bool("disabled", false) {
			continue
		}
		peer, err := wireGuardPeer(s)
		if err != nil {
			return settings, fmt.Errorf("peer %s: %w", s.Name, err)
		}
		settings.Peers = append(settings.Peers, peer)
	}
	return settings, nil
}

func wireGuardPeer(s *uci.Section) (wgtypes.PeerConfig, error) {
	var peer wgtypes.PeerConfig
	var err error
	if peer.PublicKey, err = wgtypes.ParseKey(s.Get("public_key")); err != nil {
		return peer, err
	}
	if text := s.Get("preshared_key"); text != "" {
		key, err := wgtypes.ParseKey(text)
		if err != nil {
			return peer, err
		}
		peer.PresharedKey = &key
	}
	if text := s.Get("persistent_keepalive"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil {
			return peer, err
		}
		interval := time.Duration(seconds) * time.Second
		peer.PersistentKeepaliveInterval = &interval
	}
	if host := s.Get("endpoint_host"); host != "" {
		if peer.Endpoint, err = net.ResolveUDPAddr("udp", net.JoinHostPort(host, s.Default("endpoint_port", "51820"))); err != nil {
			return peer, err
		}
	}
	for _, word := range s.Words("allowed_ips") {
		p, err := parseAddress(word, "", hostBits(word))
		if err != nil {
			return peer, err
		}
		peer.AllowedIPs = append(peer.AllowedIPs, *ipNet(p.Masked()))
	}
	return peer, nil
}

// peerRoutes are those to the peers that want them.
func peerRoutes(peers []*uci.Section) ([]gatewayRoute, error) {
	var routes []gatewayRoute
	for _, s := range peers {
		if s.Bool("disabled", false) || !s.Bool("route_allowed_ips", false) {
			continue
		}
		for _, word := range s.Words("allowed_ips") {
			p, err := parseAddress(word, "", hostBits(word))
			if err != nil {
				return nil, err
			}
			routes = append(routes, gatewayRoute{p.Masked(), netip.Addr{}})
		}
	}
	return routes, nil
}
