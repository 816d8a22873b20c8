// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/rhyzome/rhyzome/conformance"
	"github.com/rhyzome/rhyzome/conformance/probe/agent"
	cable "github.com/rhyzome/rhyzome/lab/fabric"
	lab "github.com/rhyzome/rhyzome/lab/machine"
	standin "github.com/rhyzome/rhyzome/lab/openwrt"
	"github.com/rhyzome/rhyzome/sdk/plugin"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// TestMain makes this program the lab's machines and router programs too, and the provider that runs on the router.
func TestMain(m *testing.M) {
	lab.Init()
	standin.Main()
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "provider":
			if len(os.Args) > 2 {
				lie := os.Args[2]
				os.Args = os.Args[:2]
				plugin.Serve(liarCalled(lie))
				return
			}
			plugin.Serve(New())
			return
		case "probe":
			if err := agent.Serve(os.Stdin, os.Stdout); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		case "solicit":
			os.Exit(solicit(os.Args[2], os.Args[3]))
		}
	}
	os.Exit(m.Run())
}

// site is a router of the lab, with real nftables, dnsmasq and WireGuard, the provider as a process on it, a machine of
// guests on its trunk, and a laptop on its WAN.
type site struct {
	t              *testing.T
	router         *lab.Machine
	guests, laptop *lab.Machine // guests: a network namespace gN in VLAN 120+N
	child          *conformance.Child
	config         json.RawMessage
	fence          *atomic.Uint64
}

const (
	laptopAddress = "198.18.2.1"
	routerAddress = "198.18.2.2"
)

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, fence: &atomic.Uint64{}}
	dir := t.TempDir()
	trunk, home := s.segment(dir, "trunk"), s.segment(dir, "home")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	wan := standin.WAN{
		Addresses: []netip.Prefix{netip.MustParsePrefix(routerAddress + "/24"), netip.MustParsePrefix("fd00:7268:0:2::2/64")},
		Gateways:  []netip.Addr{netip.MustParseAddr(laptopAddress), netip.MustParseAddr("fd00:7268:0:2::1")},
	}
	spec := lab.Spec{Name: "router", Dir: s.dir(dir, "router")}
	if s.router, err = standin.Start(t.Context(), spec, self, trunk, home, wan); err != nil {
		t.Fatal(err)
	}
	s.guests, s.laptop = s.machine(dir, "guests"), s.machine(dir, "laptop")
	s.connect(trunk, home)
	s.eventually("the router is up", func() bool { return s.try(s.router, "ubus call network.interface.wan status | grep -q '\"up\": true'") })
	s.config = json.RawMessage(`{"fabrics": {"lab": {"trunk": "eth2"}}, "endpoint": {"host": "` + routerAddress + `", "port_min": 51820, "port_max": 51999}}`)
	s.startProvider()
	return s
}

func (s *site) segment(parent, name string) *cable.Segment {
	s.t.Helper()
	segment, err := cable.StartSegment(s.t.Context(), name, s.dir(parent, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return segment
}

func (s *site) machine(parent, name string) *lab.Machine {
	s.t.Helper()
	m, err := lab.Start(s.t.Context(), lab.Spec{Name: name, Dir: s.dir(parent, name)})
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

// dir is a machine's directory; what runs in it ends with the test.
func (s *site) dir(parent, name string) string {
	dir := filepath.Join(parent, name)
	s.t.Cleanup(func() {
		if err := lab.Remove(context.Background(), dir); err != nil {
			s.t.Error(err)
		}
	})
	return dir
}

func (s *site) connect(trunk, home *cable.Segment) {
	s.t.Helper()
	steps := []error{
		home.Connect(s.laptop, "eth0"),
		s.laptop.Address("eth0", netip.MustParsePrefix(laptopAddress+"/24"), netip.MustParsePrefix("fd00:7268:0:2::1/64")),
		trunk.Connect(s.guests, "trunk0"),
		cable.StartOpenVSwitch(s.t.Context(), s.guests),
		cable.AddBridge(s.t.Context(), s.guests, "br", "trunk0"),
	}
	for _, err := range steps {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	for n := 1; n <= 2; n++ {
		s.run(s.guests, fmt.Sprintf(`ovs-vsctl add-port br g%[1]d tag=12%[1]d -- set interface g%[1]d type=internal
			ip netns add g%[1]d && ip link set g%[1]d netns g%[1]d && ip -n g%[1]d link set lo up
			ip -n g%[1]d link set g%[1]d address %[2]s && ip -n g%[1]d link set g%[1]d up`, n, portSpec(n, 1).MAC))
	}
}

// startProvider runs the provider on the router, as a process that is reached through a socket in the machine's directory.
func (s *site) startProvider() {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.router.Dir, "log", "provider.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := s.router.Command(s.t.Context(), "env", "PLUGIN_UNIX_SOCKET_DIR="+s.router.Dir, lab.Executable, "provider")
	s.child = &conformance.Child{Path: cmd.Path, Args: cmd.Args[1:], AutoMTLS: true, Stderr: log}
	s.t.Cleanup(func() {
		if err := s.child.Close(); err != nil {
			s.t.Error(err)
		}
		if s.t.Failed() {
			s.showLogs()
		}
	})
}

func (s *site) showLogs() {
	for _, service := range []string{"provider", "netifd", "init", "dnsmasq.rz_abcdef01_dns"} {
		text, err := os.ReadFile(filepath.Join(s.router.Dir, "log", service+".log"))
		s.t.Logf("%s: %v\n%s", service, err, text[max(0, len(text)-5000):])
	}
}

// client returns the provider's interface, configured.
func (s *site) client() *wire.Client {
	s.t.Helper()
	cc, err := s.child.Connect(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return s.configured(cc)
}

func (s *site) configured(cc grpc.ClientConnInterface) *wire.Client {
	s.t.Helper()
	c := wire.NewClient(cc)
	if _, err := c.Configure(s.t.Context(), 1, s.config, 1); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// kill ends the provider's process where it is, and starts another.
func (s *site) kill() *wire.Client {
	s.t.Helper()
	if err := s.child.Restart(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return s.client()
}

func (s *site) nextFence() uint64 { return 1 + s.fence.Add(1) }

// make applies until the object is ready.
func (s *site) make(what string, apply func(fence uint64) (provider.Observed, error)) {
	s.t.Helper()
	var last any
	s.eventually(what+" is ready", func() bool {
		o, err := apply(s.nextFence())
		last = fmt.Sprintf("%+v, %v", o, err)
		if err != nil || o.Phase == provider.PhaseFailed {
			s.t.Fatalf("%s: %v", what, last)
		}
		return o.Phase == provider.PhaseReady
	})
}

func (s *site) network(c *wire.Client, spec provider.NetworkSpec) {
	s.t.Helper()
	spec.RouterID = s.routerID(c)
	s.make("network", func(fence uint64) (provider.Observed, error) {
		n, err := c.ApplyNetwork(s.t.Context(), fence, spec)
		return n.Observed, err
	})
}

func (s *site) routerID(c *wire.Client) string {
	s.t.Helper()
	routers, err := c.ListRouters(s.t.Context())
	if err != nil || len(routers) != 1 {
		s.t.Fatalf("%v, %v", routers, err)
	}
	return routers[0].ID
}

func (s *site) port(c *wire.Client, spec provider.PortSpec) {
	s.t.Helper()
	s.make("port", func(fence uint64) (provider.Observed, error) {
		o, err := c.ApplyPort(s.t.Context(), fence, spec)
		return o.Observed, err
	})
}

func (s *site) peer(c *wire.Client, spec provider.PeerSpec) {
	s.t.Helper()
	s.make("peer", func(fence uint64) (provider.Observed, error) {
		o, err := c.ApplyPeer(s.t.Context(), fence, spec)
		return o.Observed, err
	})
}

// remove deletes until nothing is left.
func (s *site) remove(what string, tag provider.Tag, del func(context.Context, uint64, provider.Tag) (bool, provider.Observed, error)) {
	s.t.Helper()
	s.eventually(what+" is gone", func() bool {
		gone, _, err := del(s.t.Context(), s.nextFence(), tag)
		if err != nil {
			s.t.Fatalf("delete %s: %v", what, err)
		}
		return gone
	})
}

func (s *site) run(m *lab.Machine, script string) string {
	s.t.Helper()
	out, err := m.Run(s.t.Context(), "sh", "-ec", script)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// try reports whether a command succeeds.
func (s *site) try(m *lab.Machine, script string) bool {
	_, err := m.Run(s.t.Context(), "sh", "-ec", script)
	return err == nil
}

func (s *site) eventually(what string, met func() bool) {
	s.t.Helper()
	err := await(s.t.Context(), time.Minute, func(context.Context) error {
		if met() {
			return nil
		}
		return fmt.Errorf("not within a minute: %s", what)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// emptyChain is what fw4 itself leaves of a zone that is gone: it flushes its table, and does not delete it.
var emptyChain = regexp.MustCompile(`\n?\tchain \w+rz_\w+ \{\n\t\}\n`)

// traces is all that the provider can leave on the router.
func (s *site) traces() string {
	s.t.Helper()
	return emptyChain.ReplaceAllString(s.dump(), "")
}

func (s *site) dump() string {
	s.t.Helper()
	return s.run(s.router, `cd /etc/config; for f in network dhcp firewall; do echo "== $f"; cat $f; done
		echo == rules; nft -s list ruleset; echo == links; ls /sys/class/net; echo == ports; ovs-vsctl show | grep -c Port || true
		echo == files; find /etc/rhyzome /var/etc /tmp /var/run/wireguard ! -type d 2>/dev/null | grep -v /router/ | sort
		echo == processes; ps -eo args | grep -oE '(dnsmasq -C|wireguard-go) .*' | grep -v grep | sort`)
}
