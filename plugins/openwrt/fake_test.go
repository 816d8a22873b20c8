// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/rhyzome/rhyzome/plugins/openwrt/uci"
)

// fakeRouter is a fake of OpenWrt's programs, of WireGuard and of DNS: it follows the configuration files as the real ones
// were seen to do, as far as the provider can tell. The tests with real services are those of the lab.
type fakeRouter struct {
	root string

	mu      sync.Mutex
	calls   []string
	before  func(call string) error // may fail a call, or do something on the way
	live    map[string]netInterface
	devices map[string]*wgtypes.Device
	set     []wgtypes.Config // what ConfigureDevice was called with
	answers map[netip.Addr]map[string][]netip.Addr
	zones   []string
}

// newFake returns a router with the owner's configuration, whose services run.
func newFake(t *testing.T) *fakeRouter {
	t.Helper()
	f := &fakeRouter{
		root: t.TempDir(), live: map[string]netInterface{}, devices: map[string]*wgtypes.Device{},
		answers: map[netip.Addr]map[string][]netip.Addr{},
	}
	for _, dir := range []string{"etc/config", "etc/rc.d", "var/etc", "tmp", "proc/sys/kernel"} {
		if err := os.MkdirAll(f.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{fileNetwork, fileDHCP, fileFirewall} {
		f.write(t, "etc/config/"+name, owners(t, name))
	}
	f.write(t, "proc/sys/kernel/hostname", "gate\n")
	f.reloadNetwork()
	f.reloadFirewall()
	f.reloadNames()
	return f
}

func owners(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile("testdata/owner/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func (f *fakeRouter) path(p string) string { return filepath.Join(f.root, p) }

func (f *fakeRouter) write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(f.path(path), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (f *fakeRouter) read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(f.path(path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// Run implements runner.
func (f *fakeRouter) Run(ctx context.Context, _ time.Duration, program string, args ...string) ([]byte, error) {
	call := strings.Join(append([]string{filepath.Base(program)}, args...), " ")
	if err := f.enter(call); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch call {
	case "ubus call network.interface dump":
		var dump struct {
			Interface []netInterface `json:"interface"`
		}
		for _, i := range f.live {
			dump.Interface = append(dump.Interface, i)
		}
		return json.Marshal(dump)
	case "ubus call network reload":
		f.reloadNetwork()
	case "fw4 check":
	case "fw4 reload":
		f.reloadFirewall()
	case "dnsmasq reload", "dnsmasq restart", "odhcpd reload":
		f.reloadNames()
	default:
		return nil, fmt.Errorf("the fake router does not know %q", call)
	}
	return nil, nil
}

func (f *fakeRouter) enter(call string) error {
	f.mu.Lock()
	f.calls = append(f.calls, call)
	before := f.before
	f.mu.Unlock()
	if before == nil {
		return nil
	}
	return before(call)
}

func (f *fakeRouter) sections(name string) []uci.Section {
	text, err := os.ReadFile(f.path("etc/config/" + name))
	if err != nil {
		return nil
	}
	file, err := uci.Parse(name, string(text), func(string) bool { return false })
	if err != nil {
		return nil // netifd would go on with a part
	}
	return file.Foreign()
}

// reloadNetwork does what netifd does; a tunnel that is there already keeps its peers.
func (f *fakeRouter) reloadNetwork() {
	sections := f.sections(fileNetwork)
	live, devices := map[string]netInterface{}, map[string]*wgtypes.Device{}
	for _, s := range sections {
		if s.Type != "interface" {
			continue
		}
		i := netInterface{Name: s.Name, Up: true, Device: s.Get("device")}
		for _, p := range prefixes(s, "ipaddr", "ip6addr", "addresses") {
			a := netAddress{Address: p.Addr().String(), Mask: p.Bits()}
			if p.Addr().Is4() {
				i.IPv4 = append(i.IPv4, a)
			} else {
				i.IPv6 = append(i.IPv6, a)
			}
		}
		if s.Name == "wan" {
			i.IPv4 = []netAddress{{Address: "203.0.113.5", Mask: 24}}
			i.Prefixes = []netAddress{{Address: "2001:db8:77::", Mask: 56}}
		}
		if s.Get("proto") == "wireguard" {
			devices[s.Name] = f.tunnel(s, sections)
		}
		live[s.Name] = i
	}
	f.live, f.devices = live, devices
}

func (f *fakeRouter) tunnel(s uci.Section, sections []uci.Section) *wgtypes.Device {
	key, err := wgtypes.ParseKey(s.Get("private_key"))
	if err != nil {
		return nil
	}
	port, err := strconv.Atoi(s.Get("listen_port"))
	if err != nil {
		return nil
	}
	if old := f.devices[s.Name]; old != nil && old.PrivateKey == key && old.ListenPort == port {
		return old
	}
	d := &wgtypes.Device{Name: s.Name, PrivateKey: key, PublicKey: key.PublicKey(), ListenPort: port}
	for _, p := range sections {
		if p.Type == "wireguard_"+s.Name {
			if config, err := peerOf(p); err == nil {
				d.Peers = append(d.Peers, wgtypes.Peer{PublicKey: config.PublicKey, AllowedIPs: config.AllowedIPs})
			}
		}
	}
	return d
}

func (f *fakeRouter) reloadFirewall() {
	f.zones = nil
	for _, s := range f.sections(fileFirewall) {
		if s.Type == "zone" {
			f.zones = append(f.zones, s.Get("name"))
		}
	}
}

// reloadNames does what dnsmasq's init script and dnsmasq do. The owner's instance takes every address, unless a drop-in
// says otherwise.
func (f *fakeRouter) reloadNames() {
	f.answers = map[netip.Addr]map[string][]netip.Addr{}
	sections := f.sections(fileDHCP)
	for i, s := range sections {
		if s.Type != "dnsmasq" {
			continue
		}
		name := s.Name
		if name == "" {
			name = fmt.Sprintf("cfg%02x411c", i+1)
		}
		dir := "/tmp/dnsmasq." + name + ".d"
		text := "# auto-generated\nport=53\nconf-dir=" + dir + "\n"
		if err := os.WriteFile(f.path("var/etc/dnsmasq.conf."+name), []byte(text), 0o644); err != nil {
			continue
		}
		excepted, _ := os.ReadFile(f.path(dir + "/rhyzome.conf"))
		if s.Name == "" && !strings.Contains(string(excepted), "except-interface=br-rz.*\n") {
			f.answers = map[netip.Addr]map[string][]netip.Addr{}
			return // "Address already in use" for every other instance
		}
		names := f.names(s, sections)
		for _, i := range s.Values("interface") {
			for _, a := range f.live[i].addresses() {
				f.answers[a.Addr()] = names
			}
		}
	}
}

func (f *fakeRouter) names(instance uci.Section, sections []uci.Section) map[string][]netip.Addr {
	names := map[string][]netip.Addr{}
	for _, s := range sections {
		addr, err := netip.ParseAddr(s.Get("ip"))
		if s.Get("instance") != instance.Name || err != nil {
			continue
		}
		switch name := s.Get("name"); {
		case s.Type == "domain":
			names[name] = sorted(append(names[name], addr))
		case s.Type == "host" && s.Get("dns") == "1":
			name += "." + instance.Get("domain")
			names[name] = sorted(append(names[name], addr))
		}
	}
	return names
}

// Lookup implements resolver.
func (f *fakeRouter) Lookup(_ context.Context, server netip.Addr, name string) ([]netip.Addr, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	names, ok := f.answers[server]
	if !ok {
		return nil, fmt.Errorf("nobody answers at %s", server)
	}
	return names[name], nil
}

// Device implements wireGuard.
func (f *fakeRouter) Device(name string) (*wgtypes.Device, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.devices[name]
	if d == nil {
		return nil, fs.ErrNotExist
	}
	seen := *d
	seen.Peers = slices.Clone(d.Peers)
	return &seen, nil
}

// ConfigureDevice implements wireGuard, as the kernel does it: an address that one peer gets, all others lose.
func (f *fakeRouter) ConfigureDevice(name string, c wgtypes.Config) error {
	if err := f.enter("wg set " + name); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.devices[name]
	if d == nil {
		return fs.ErrNotExist
	}
	f.set = append(f.set, c)
	for _, p := range c.Peers {
		d.Peers = slices.DeleteFunc(d.Peers, func(o wgtypes.Peer) bool { return o.PublicKey == p.PublicKey })
		for i := range d.Peers {
			for _, ip := range p.AllowedIPs {
				d.Peers[i].AllowedIPs = withoutNet(d.Peers[i].AllowedIPs, ip)
			}
		}
		if !p.Remove {
			d.Peers = append(d.Peers, wgtypes.Peer{PublicKey: p.PublicKey, AllowedIPs: p.AllowedIPs})
		}
	}
	return nil
}

func (f *fakeRouter) count(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if c == call {
			n++
		}
	}
	return n
}

func (f *fakeRouter) hook(before func(call string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.calls, f.set = before, nil, nil
}
