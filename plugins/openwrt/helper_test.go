// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/rhyzome/rhyzome/plugins/openwrt/uci"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

const testConfig = `{
	"router": {"id": "gate-1"},
	"fabrics": {"lab": {"trunk": "eth2"}, "old": {"trunk": "eth3", "mode": "vlan_device"}, "mine": {"trunk": "br-own", "mode": "prepared"}},
	"endpoint": {"host": "vpn.example.org", "port_min": 51820, "port_max": 51999}
}`

// newTest returns a configured provider on a fake router, and what it logs.
func newTest(t *testing.T) (*Provider, *fakeRouter, *logBuffer) {
	t.Helper()
	f := newFake(t)
	p, logged := restart(t, f)
	return p, f, logged
}

// restart returns a new process' provider on the same router.
func restart(t *testing.T, f *fakeRouter) (*Provider, *logBuffer) {
	t.Helper()
	logged := &logBuffer{}
	p := f.provider(logged)
	if err := p.Configure(t.Context(), json.RawMessage(testConfig)); err != nil {
		t.Fatal(err)
	}
	return p, logged
}

// provider returns one that is not configured.
func (f *fakeRouter) provider(logged *logBuffer) *Provider {
	return newProvider(machine{
		run: f, wg: f, names: f, root: f.root,
		newID:  func() string { return "made-id" },
		newKey: f.newKey,
		log:    slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
}

// newKey makes keys that are the same in every run: that of the third tunnel is always the same.
func (f *fakeRouter) newKey() (wgtypes.Key, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return wgtypes.NewKey(bytes.Repeat([]byte{8 * byte(1+len(f.devices))}, 32))
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func tag(id string, generation int64) provider.Tag {
	return provider.Tag{ID: id, Generation: generation, SpecDigest: fmt.Sprintf("digest-%s-%d", id, generation)}
}

// networkSpec is the nth network.
func networkSpec(n int) provider.NetworkSpec {
	return provider.NetworkSpec{
		Tag: tag(fmt.Sprintf("0198c0de-0000-7000-8000-0000000000%02d", n), 1), Project: "alice", Name: fmt.Sprintf("net%d", n),
		Handle: fmt.Sprintf("abcdef%02d", n), RouterID: "gate-1", Fabric: "lab", SegmentID: 120 + n, MTU: 1500,
		Domain: fmt.Sprintf("net%d.alice.rhyzome.internal", n), Egress: provider.EgressNAT,
		Subnets: []provider.Subnet{subnet("10.100.%d.0/24", n), subnet("fd42:cafe:%d::/64", n)},
		WireGuard: &provider.WireGuard{
			ListenPort: 51820 + n, MTU: 1420, Subnets: []provider.Subnet{subnet("10.110.%d.0/24", n), subnet("fd42:cafe:%d:1::/64", n)},
		},
	}
}

func subnet(format string, n int) provider.Subnet {
	p := netip.MustParsePrefix(fmt.Sprintf(format, n))
	return provider.Subnet{CIDR: p, Gateway: p.Addr().Next()}
}

// portSpec is the ith port of the nth network.
func portSpec(n, i int) provider.PortSpec {
	return provider.PortSpec{
		Tag: tag(fmt.Sprintf("0198c0de-0001-7000-8000-00000000%02d%02d", n, i), 1), NetworkID: networkSpec(n).ID, InstanceID: "0198c0de-0003-7000-8000-000000000001",
		MAC: fmt.Sprintf("52:54:00:00:%02x:%02x", n, i), Hostname: fmt.Sprintf("vm%d", i),
		Addresses: []netip.Addr{netip.MustParseAddr(fmt.Sprintf("10.100.%d.%d", n, 10+i)), netip.MustParseAddr(fmt.Sprintf("fd42:cafe:%d::%d", n, 10+i))},
	}
}

func peerSpec(n, i int) provider.PeerSpec {
	return provider.PeerSpec{
		Tag: tag(fmt.Sprintf("0198c0de-0002-7000-8000-00000000%02d%02d", n, i), 1), NetworkID: networkSpec(n).ID, PublicKey: publicKey(n, i),
		Addresses: []netip.Addr{netip.MustParseAddr(fmt.Sprintf("10.110.%d.%d", n, 10+i)), netip.MustParseAddr(fmt.Sprintf("fd42:cafe:%d:1::%d", n, 10+i))},
	}
}

func publicKey(n, i int) string {
	return wgtypes.Key(bytes.Repeat([]byte{byte(n), byte(i)}, 16)).String()
}

func progress(string, int) {}

func applyNetwork(t *testing.T, p *Provider, spec provider.NetworkSpec) provider.Network {
	t.Helper()
	n, err := p.ApplyNetwork(t.Context(), spec, progress)
	if err != nil {
		t.Fatalf("apply network %s: %v", spec.Handle, explain(err))
	}
	return n
}

func applyPort(t *testing.T, p *Provider, spec provider.PortSpec) provider.Port {
	t.Helper()
	o, err := p.ApplyPort(t.Context(), spec, progress)
	if err != nil {
		t.Fatalf("apply port %s: %v", spec.Hostname, explain(err))
	}
	return o
}

func applyPeer(t *testing.T, p *Provider, spec provider.PeerSpec) provider.Peer {
	t.Helper()
	o, err := p.ApplyPeer(t.Context(), spec, progress)
	if err != nil {
		t.Fatalf("apply peer %s: %v", spec.ID, explain(err))
	}
	return o
}

// explain shows the cause, which a fault's message leaves out.
func explain(err error) string {
	return fmt.Sprintf("%v (%v: %v)", err, fault.ReasonOf(err), fault.Of(err).Err)
}

// apart returns the owner's part of a file, byte for byte, and our sections, whose order does not matter.
func apart(t *testing.T, text string) string {
	t.Helper()
	file, err := uci.Parse("file", text, owned)
	if err != nil {
		t.Fatal(err)
	}
	sections := file.Sections()
	slices.SortFunc(sections, func(a, b uci.Section) int { return strings.Compare(a.Name, b.Name) })
	file.Delete(file.Names()...)
	var b strings.Builder
	b.WriteString(file.Text())
	for _, s := range sections {
		fmt.Fprintf(&b, "-- ours: %v\n", s)
	}
	return b.String()
}

// state is everything that a change may leave behind.
func (f *fakeRouter) state(t *testing.T) string {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var b bytes.Buffer
	for _, name := range []string{fileNetwork, fileDHCP, fileFirewall} {
		fmt.Fprintf(&b, "== %s\n%s", name, apart(t, f.read(t, "etc/config/"+name)))
	}
	var names []string
	for name, i := range f.live {
		names = append(names, fmt.Sprint(name, i.addresses()))
	}
	for name, d := range f.devices {
		for _, p := range d.Peers {
			names = append(names, fmt.Sprint(name, p.PublicKey, p.AllowedIPs))
		}
	}
	slices.Sort(names)
	fmt.Fprintf(&b, "== live %v\n== zones %v\n== answers %v\n", names, f.zones, f.answers)
	return b.String()
}

func withoutNet(all []net.IPNet, n net.IPNet) []net.IPNet {
	return slices.DeleteFunc(slices.Clone(all), func(o net.IPNet) bool { return o.String() == n.String() })
}
