// SPDX-License-Identifier: Apache-2.0

package network

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// What ranges and sizes networks get.
var (
	poolLAN    = netip.MustParsePrefix("10.128.0.0/9")
	poolTunnel = netip.MustParsePrefix("100.64.0.0/10") // shared address space: no customer's own
)

const (
	ethernetMTU  = 1500
	wireguardMTU = 1420
	wireguardUse = 80 // what WireGuard over IPv6 adds to a packet

	handleLength   = 8
	handleAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789"

	settingULA = "ula_prefix"
)

// allocation chooses what is unique for a new network, looking at all there are.
type allocation struct {
	router   core.Router
	fabric   core.Fabric
	networks []core.Network // of the whole cloud
	ranges   ranges         // of those
	ula      netip.Prefix   // the cloud's own /48
}

// fill gives n its handle, segment, subnets and WireGuard endpoint.
func (a allocation) fill(n *core.Network, want asked, random io.Reader) (err error) {
	if n.Status.Handle, err = drawHandle(random); err != nil {
		return err
	}
	if n.Status.SegmentID, err = a.segment(); err != nil {
		return err
	}
	if n.Status.Subnets, err = a.lan(want); err != nil {
		return err
	}
	n.Status.MTU = ethernetMTU
	if a.router.MTU > 0 {
		n.Status.MTU = min(ethernetMTU, a.router.MTU)
	}
	wanted := a.router.Endpoint != nil
	if want.WireGuard != nil {
		wanted = *want.WireGuard
	}
	if wanted {
		n.Status.WireGuard, err = a.wireguard(n.Status)
	}
	return err
}

// drawHandle returns random letters and digits, each as likely as the other. The store refuses a handle that was ever
// used; see Redraw.
func drawHandle(random io.Reader) (string, error) {
	limit := byte(256 / len(handleAlphabet) * len(handleAlphabet))
	h := make([]byte, 0, handleLength)
	for b := make([]byte, 1); len(h) < handleLength; {
		if _, err := io.ReadFull(random, b); err != nil {
			return "", fmt.Errorf("random handle: %w", err)
		}
		if b[0] < limit {
			h = append(h, handleAlphabet[int(b[0])%len(handleAlphabet)])
		}
	}
	return string(h), nil
}

// segment returns the lowest VLAN id of the fabric's range that is free.
func (a allocation) segment() (int, error) {
	used := map[int]bool{}
	for _, n := range a.networks {
		used[n.Status.SegmentID] = used[n.Status.SegmentID] || n.Status.Fabric == a.fabric.Name
	}
	for id := a.fabric.Spec.SegmentMin; id <= a.fabric.Spec.SegmentMax; id++ {
		if !used[id] {
			return id, nil
		}
	}
	return 0, fault.New(fault.SegmentsExhausted, "every VLAN id of fabric %s, %d to %d, is taken; delete a network, or use another fabric",
		a.fabric.Name, a.fabric.Spec.SegmentMin, a.fabric.Spec.SegmentMax)
}

// lan returns the subnets for instances. Those asked for were checked when the router was chosen.
func (a allocation) lan(want asked) ([]core.Subnet, error) {
	v4, v6 := want.v4, want.v6
	var err error
	if !v4.IsValid() {
		if v4, err = a.choose(poolLAN, 24, a.ranges.on(a.router.ID)); err != nil {
			return nil, err
		}
	}
	if !v6.IsValid() {
		if v6, err = a.choose(a.ula, 64, a.ranges.all()); err != nil {
			return nil, err
		}
	}
	return []core.Subnet{subnet(v4), subnet(v6)}, nil
}

// wireguard returns the endpoint for peers of a network whose other ranges are chosen already.
func (a allocation) wireguard(st core.NetworkStatus) (*core.WireGuardStatus, error) {
	port, err := a.listenPort()
	if err != nil {
		return nil, err
	}
	own, err := rangesOf(core.Network{Status: st})
	if err != nil {
		return nil, err
	}
	v4, err := a.choose(poolTunnel, 24, append(a.ranges.on(a.router.ID), own...))
	if err != nil {
		return nil, err
	}
	v6, err := a.choose(a.ula, 64, append(a.ranges.all(), own...))
	if err != nil {
		return nil, err
	}
	return &core.WireGuardStatus{
		Endpoint: outside(*a.router.Endpoint, port), ListenPort: port,
		Subnets: []core.Subnet{subnet(v4), subnet(v6)}, MTU: min(wireguardMTU, st.MTU-wireguardUse),
	}, nil
}

func (a allocation) listenPort() (int, error) {
	used := map[int]bool{}
	for _, n := range a.networks {
		if n.Status.Router == a.router.ID && n.Status.WireGuard != nil {
			used[n.Status.WireGuard.ListenPort] = true
		}
	}
	for p := a.router.Endpoint.PortMin; p <= a.router.Endpoint.PortMax; p++ {
		if !used[p] {
			return p, nil
		}
	}
	return 0, fault.New(fault.PortsExhausted, "every WireGuard port of router %s, %d to %d, is taken; set wireguard to false, or widen the endpoint's range in the router provider's configuration",
		a.router.Name, a.router.Endpoint.PortMin, a.router.Endpoint.PortMax)
}

func (a allocation) choose(pool netip.Prefix, bits int, taken []netip.Prefix) (netip.Prefix, error) {
	p, ok, err := freeRange(pool, bits, taken)
	if err == nil && !ok {
		err = fault.New(fault.NoRouter, "router %s has no free /%d of %s left", a.router.Name, bits, pool)
	}
	return p, err
}

// ranges are the subnets in use, by router.
type ranges map[string][]netip.Prefix

func rangesInUse(networks []core.Network) (ranges, error) {
	r := ranges{}
	for _, n := range networks {
		some, err := rangesOf(n)
		if err != nil {
			return nil, err
		}
		r[n.Status.Router] = append(r[n.Status.Router], some...)
	}
	return r, nil
}

func (r ranges) on(router string) []netip.Prefix { return slices.Clone(r[router]) }

func (r ranges) all() []netip.Prefix {
	return slices.Concat(slices.Collect(maps.Values(r))...)
}

// rangesOf returns every subnet of a network, the peers' too.
func rangesOf(n core.Network) ([]netip.Prefix, error) {
	subnets := n.Status.Subnets
	if n.Status.WireGuard != nil {
		subnets = slices.Concat(subnets, n.Status.WireGuard.Subnets)
	}
	var all []netip.Prefix
	for _, s := range subnets {
		p, err := netip.ParsePrefix(s.CIDR)
		if err != nil {
			return nil, fmt.Errorf("subnet in the store: %w", err)
		}
		all = append(all, p)
	}
	return all, nil
}

// outside returns where peers reach a port of the router.
func outside(e core.Endpoint, port int) string {
	if e.OutsidePortMin != 0 {
		port += e.OutsidePortMin - e.PortMin
	}
	return net.JoinHostPort(e.Host, strconv.Itoa(port))
}

// ulaPrefix returns the cloud's own /48 of fd00::/8, drawn once (RFC 4193).
func ulaPrefix(tx core.Tx, random io.Reader) (netip.Prefix, error) {
	text, err := tx.Setting(settingULA)
	if err != nil {
		return netip.Prefix{}, err
	}
	if text != "" {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return p, fmt.Errorf("setting %s: %w", settingULA, err)
		}
		return p, nil
	}
	a := [16]byte{0xfd}
	if _, err := io.ReadFull(random, a[1:6]); err != nil {
		return netip.Prefix{}, fmt.Errorf("random ULA prefix: %w", err)
	}
	p := netip.PrefixFrom(netip.AddrFrom16(a), 48)
	return p, tx.SetSetting(settingULA, p.String())
}
