// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/rhyzome/rhyzome/conformance"
	lab "github.com/rhyzome/rhyzome/lab/machine"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// TestTenants makes two networks on a router with real services, and proves with packets who reaches what.
func TestTenants(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	before := s.traces()
	c := s.client()
	laptop, err := wgtypes.GeneratePrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	peer := peerSpec(1, 1)
	peer.PublicKey = laptop.PublicKey().String()
	for n := 1; n <= 2; n++ {
		s.network(c, networkSpec(n))
		s.port(c, portSpec(n, 1))
	}
	s.peer(c, peer)

	t.Run("leases", func(t *testing.T) { s.in(t).testLeases() })
	t.Run("isolation", func(t *testing.T) { s.in(t).testIsolation() })
	s.dial(c, laptop, peer)
	t.Run("tunnel", func(t *testing.T) { s.in(t).testTunnel() })
	t.Run("peers come and go", func(t *testing.T) { s.in(t).testStorm(c) })
	t.Run("drift", func(t *testing.T) { s.in(t).testDrift(c, peer) })
	t.Run("address given anew", func(t *testing.T) { s.in(t).testNewHolder(c) })

	for n := 1; n <= 2; n++ {
		s.remove("port", portSpec(n, 1).Tag, c.DeletePort)
	}
	s.remove("peer", peer.Tag, c.DeletePeer)
	for n := 1; n <= 2; n++ {
		s.remove("network", networkSpec(n).Tag, c.DeleteNetwork)
	}
	if diff := cmp.Diff(before, s.traces()); diff != "" {
		t.Errorf("something is left:\n%s", diff)
	}
}

// in is the same site for a subtest.
func (s *site) in(t *testing.T) *site {
	same := *s
	same.t = t
	return &same
}

func inside(n int, command string) string { return fmt.Sprintf("ip netns exec g%d %s", n, command) }

func ping(address string) string { return "ping -c1 -W2 " + address }

// lookup asks a server for a name; nslookup of busybox fails if there is no answer.
func lookup(name, server string) string {
	return "sh -c 'timeout 5 busybox nslookup " + name + " " + server + " 2>&1 | grep -A9 ^Name'"
}

// testLeases: a guest is offered exactly the promised addresses, and a stranger none.
func (s *site) testLeases() {
	for n := 1; n <= 2; n++ {
		spec := portSpec(n, 1)
		s.lease(n, spec.Addresses[0].String())
		if got := s.run(s.guests, inside(n, fmt.Sprintf("%s solicit g%d %s", lab.Executable, n, spec.MAC))); got != spec.Addresses[1].String() {
			s.t.Errorf("guest %d is offered %s", n, got)
		}
		s.run(s.guests, fmt.Sprintf(`ip -n g%[1]d address replace %[2]s/24 dev g%[1]d; ip -n g%[1]d address replace %[3]s/64 dev g%[1]d nodad
			ip -n g%[1]d route replace default via 10.100.%[1]d.1; ip -n g%[1]d -6 route replace default via fd42:cafe:%[1]d::1`,
			n, spec.Addresses[0], spec.Addresses[1]))
	}
	s.run(s.guests, "ip -n g1 link add link g1 name stranger type macvlan && ip -n g1 link set stranger up")
	if s.try(s.guests, inside(1, "timeout 10 busybox udhcpc -n -q -t 2 -T 2 -i stranger -s /bin/true")) {
		s.t.Error("a stranger got a lease")
	}
	s.run(s.guests, "ip -n g1 link del stranger")
}

// lease has a guest ask for its address.
func (s *site) lease(n int, address string) {
	s.t.Helper()
	out := s.run(s.guests, inside(n, fmt.Sprintf("timeout 20 busybox udhcpc -n -q -i g%d -s /bin/true 2>&1", n)))
	if !strings.Contains(out, "lease of "+address+" obtained") {
		s.t.Errorf("guest %d: %s", n, out)
	}
}

func (s *site) testIsolation() {
	s.run(s.router, "busybox httpd -p 8080 -h /etc/config") // a service of the owner's
	for _, c := range []struct {
		guest int
		probe string
		want  bool
	}{
		{1, ping("10.100.1.1"), true}, {1, ping("fd42:cafe:1::1"), true}, {1, ping("10.110.1.1"), true},
		{2, ping("10.100.2.1"), true}, {2, ping("fd42:cafe:2::1"), true},
		{1, ping("10.100.2.1"), false}, {1, ping("fd42:cafe:2::1"), false}, {1, ping("10.110.2.1"), false}, {1, ping("fd42:cafe:2:1::1"), false},
		{1, ping("10.100.2.11"), false}, {1, ping("fd42:cafe:2::11"), false}, {2, ping("10.100.1.11"), false},
		{1, ping("192.168.1.1"), false}, {1, ping(routerAddress), false},
		{1, ping(laptopAddress), true}, // the world, masqueraded
		{1, lookup("vm1.net1.alice.rhyzome.internal", "10.100.1.1"), true},
		{2, lookup("vm1.net2.alice.rhyzome.internal", "10.100.2.1"), true},
		{1, lookup("vm1.net1.alice.rhyzome.internal", "fd42:cafe:1::1"), true},
		{1, lookup("net1.alice.rhyzome.internal", "10.100.1.1"), true},
		{1, lookup("vm1.net2.alice.rhyzome.internal", "10.100.1.1"), false},
		{1, lookup("vm1.net2.alice.rhyzome.internal", "10.100.2.1"), false},
		{1, lookup("OpenWrt", "10.100.1.1"), false},
		{1, "curl -sf -m 3 http://10.100.1.1:8080/", false}, {1, "curl -sf -m 3 http://192.168.1.1:8080/", false},
	} {
		if got := s.try(s.guests, inside(c.guest, c.probe)); got != c.want {
			s.t.Errorf("guest %d: %s: %v, want %v", c.guest, c.probe, got, c.want)
		}
	}
	s.run(s.router, "curl -sf -m 3 http://192.168.1.1:8080/network") // it runs, or nothing was proved
}

// dial brings up the laptop's tunnel.
func (s *site) dial(c *wire.Client, key wgtypes.Key, peer provider.PeerSpec) {
	s.t.Helper()
	n, err := c.GetNetwork(s.t.Context(), peer.NetworkID)
	if err != nil {
		s.t.Fatal(err)
	}
	config := fmt.Sprintf("[Interface]\nPrivateKey = %s\n[Peer]\nPublicKey = %s\nEndpoint = %s:%d\nAllowedIPs = 10.0.0.0/8, 192.168.0.0/16, fd42::/16\n",
		key, n.WireGuardPublicKey, routerAddress, networkSpec(1).WireGuard.ListenPort)
	path := filepath.Join(s.laptop.Dir, "wg.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.run(s.laptop, fmt.Sprintf(`wireguard-go wg0 && wg setconf wg0 %s && ip address add %s/32 dev wg0 && ip address add %s/128 dev wg0
		ip link set wg0 up mtu 1420; ip route add 10.0.0.0/8 dev wg0; ip route add 192.168.0.0/16 dev wg0; ip route add fd42::/16 dev wg0`,
		path, peer.Addresses[0], peer.Addresses[1]))
	s.eventually("the tunnel is up", func() bool { return s.try(s.laptop, ping("10.110.1.1")) })
}

func (s *site) testTunnel() {
	for _, c := range []struct {
		probe string
		want  bool
	}{
		{ping("10.100.1.11"), true}, {ping("fd42:cafe:1::11"), true}, {ping("10.100.1.1"), true},
		{lookup("vm1.net1.alice.rhyzome.internal", "10.110.1.1"), true},
		{lookup("vm1.net2.alice.rhyzome.internal", "10.110.1.1"), false},
		{ping("10.100.2.11"), false}, {ping("fd42:cafe:2::11"), false}, {ping("10.100.2.1"), false}, {ping("192.168.1.1"), false},
		{"curl -sf -m 3 http://10.110.1.1:8080/network", false},
	} {
		if got := s.try(s.laptop, c.probe); got != c.want {
			s.t.Errorf("laptop: %s: %v, want %v", c.probe, got, c.want)
		}
	}
}

// testStorm adds and removes peers, and another network, while the laptop pings: nothing is lost, the device stays.
func (s *site) testStorm(c *wire.Client) {
	const peers = 30
	index := "cat /sys/class/net/rzw_abcdef01/ifindex"
	before := s.run(s.router, index)
	s.run(s.laptop, "ping -i 0.1 -w 120 10.100.1.11 >/tmp/ping.log 2>&1 & echo $! >/tmp/ping.pid")
	for i := range peers {
		s.peer(c, peerSpec(1, 20+i))
	}
	for i := range peers {
		s.remove("peer", peerSpec(1, 20+i).Tag, c.DeletePeer)
	}
	s.network(c, networkSpec(3))
	s.remove("network", networkSpec(3).Tag, c.DeleteNetwork)
	s.run(s.laptop, "kill -INT $(cat /tmp/ping.pid); while kill -0 $(cat /tmp/ping.pid) 2>/dev/null; do sleep 0.1; done")
	if out := s.run(s.laptop, "tail -3 /tmp/ping.log"); !strings.Contains(out, " 0% packet loss") {
		s.t.Errorf("the tunnel was disturbed: %s", out)
	}
	if after := s.run(s.router, index); after != before {
		s.t.Errorf("the device %s became %s", before, after)
	}
	if n := s.run(s.router, "wg show rzw_abcdef01 peers | wc -l"); n != "1" {
		s.t.Errorf("%s peers are left", n)
	}
}

// testDrift takes the peer away by hand, kills dnsmasq's drop-in, and waits for the provider to notice.
func (s *site) testDrift(c *wire.Client, peer provider.PeerSpec) {
	s.run(s.router, "wg set rzw_abcdef01 peer "+peer.PublicKey+" remove; rm /tmp/dnsmasq.cfg01411c.d/rhyzome.conf")
	done := make(chan struct{})
	go func() { // a core that watches, whose provider is checked every few seconds
		defer close(done)
		for e, err := range c.Watch(s.t.Context(), time.Second) {
			if err != nil || e.Peer != nil && e.Peer.Phase == provider.PhaseReady {
				return
			}
		}
	}()
	s.eventually("the peer is back", func() bool { return s.try(s.router, "wg show rzw_abcdef01 peers | grep -qF "+peer.PublicKey) })
	s.eventually("the drop-in is back", func() bool { return s.try(s.router, "test -s /tmp/dnsmasq.cfg01411c.d/rhyzome.conf") })
	<-done
	s.eventually("the laptop reaches the guest", func() bool { return s.try(s.laptop, ping("10.100.1.11")) })
	s.eventually("names resolve", func() bool { return s.try(s.laptop, lookup("vm1.net1.alice.rhyzome.internal", "10.110.1.1")) })
}

// testNewHolder gives a deleted port's address to another MAC: the new holder gets it at once.
func (s *site) testNewHolder(c *wire.Client) {
	old := portSpec(2, 1)
	s.remove("port", old.Tag, c.DeletePort)
	if s.try(s.guests, inside(2, lookup("vm1.net2.alice.rhyzome.internal", "10.100.2.1"))) {
		s.t.Error("the name of a deleted port resolves")
	}
	next := portSpec(2, 2)
	next.Addresses = old.Addresses
	s.port(c, next)
	s.run(s.guests, "ip -n g2 link set g2 address "+next.MAC)
	s.lease(2, next.Addresses[0].String())
	s.remove("port", next.Tag, c.DeletePort)
	s.port(c, old)
}

// TestKilledAnywhere kills the provider's process in the middle of its work, again and again: afterwards there is the
// network, once, or nothing.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	before := s.traces()
	random := rand.New(rand.NewPCG(1, 2))
	spec := networkSpec(1)
	spec.RouterID = s.routerID(c)
	for round := range 8 {
		applied := make(chan error, 1)
		go func() {
			_, err := c.ApplyNetwork(t.Context(), s.nextFence(), spec)
			applied <- err
		}()
		<-time.After(time.Duration(random.IntN(2500)) * time.Millisecond)
		c = s.kill()
		<-applied
		s.network(c, spec)
		s.port(c, portSpec(1, 1))
		const each = "ls -d /sys/class/net/rzw_* /sys/class/net/br-rz.*; ps -eo args | grep -o 'dnsmasq -C [^ ]*rz_[^ ]*'"
		const want = "/sys/class/net/br-rz.121\n/sys/class/net/rzw_abcdef01\ndnsmasq -C /var/etc/dnsmasq.conf.rz_abcdef01_dns"
		if got := s.run(s.router, each); got != want {
			t.Fatalf("round %d: not one of each:\n%s", round, got)
		}
		s.remove("port", portSpec(1, 1).Tag, c.DeletePort)
		removed := make(chan error, 1)
		go func() {
			_, _, err := c.DeleteNetwork(t.Context(), s.nextFence(), spec.Tag)
			removed <- err
		}()
		<-time.After(time.Duration(random.IntN(1500)) * time.Millisecond)
		c = s.kill()
		<-removed
		s.remove("network", spec.Tag, c.DeleteNetwork)
		if diff := cmp.Diff(before, s.traces()); diff != "" {
			t.Fatalf("round %d: something is left:\n%s", round, diff)
		}
	}
}

// TestConformanceOnServices runs the suite over the real process, on real services. The profile extended runs in
// TestConformance: there every restart of dnsmasq takes no time.
func TestConformanceOnServices(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	before := s.traces()
	conformance.Test(t, s.child, conformance.Params{
		Config:  siteConfig(),
		Timeout: 2 * time.Minute,
		Limits:  conformance.Limits{Parallel: 6},
	})
	if diff := cmp.Diff(before, s.traces()); diff != "" {
		t.Errorf("something is left:\n%s", diff)
	}
}
