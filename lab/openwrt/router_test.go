// SPDX-License-Identifier: Apache-2.0

package openwrt_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/lab/fabric"
	"github.com/rhyzome/rhyzome/lab/machine"
	"github.com/rhyzome/rhyzome/lab/openwrt"
)

func TestMain(m *testing.M) {
	machine.Init()
	openwrt.Main()
	os.Exit(m.Run())
}

func TestTwoNetworks(t *testing.T) {
	s := newSite(t)
	one := tenant{handle: "aaaaaaaa", vlan: 121, n: 1, port: 51821, key: key(t), peer: key(t)}
	two := tenant{handle: "bbbbbbbb", vlan: 122, n: 2, port: 51822, key: key(t)}
	s.awaitUp("wan")
	s.configure(one, two)
	s.apply(one, two)

	t.Run("leases", func(t *testing.T) {
		for n := 1; n <= 2; n++ {
			want := fmt.Sprintf("lease of 10.100.%d.10 obtained", n)
			out := s.run(s.guests, inside(n, fmt.Sprintf("timeout 20 busybox udhcpc -n -q -i g%d -s /bin/true 2>&1", n)))
			if !strings.Contains(out, want) {
				t.Errorf("guest %d: %s", n, out)
			}
		}
		out := s.run(s.guests, inside(1, "timeout 20 tcpdump -i g1 -v -c1 'icmp6 and ip6[40] == 134' 2>/dev/null"))
		if !strings.Contains(out, "Flags [managed") || strings.Contains(out, "[onlink, auto]") {
			t.Errorf("router advertisement: %s", out)
		}
	})
	s.address(1)
	s.address(2)

	t.Run("isolation", func(t *testing.T) {
		for _, c := range []struct {
			guest int
			probe string
			want  bool
		}{
			{1, ping("10.100.1.1"), true}, {1, ping("fd42:cafe:1::1"), true}, {1, ping("10.110.1.1"), true},
			{2, ping("10.100.2.1"), true}, {2, ping("fd42:cafe:2::1"), true},
			{1, ping("10.100.2.1"), false}, {1, ping("fd42:cafe:2::1"), false}, {1, ping("10.110.2.1"), false},
			{1, ping("10.100.2.10"), false}, {1, ping("fd42:cafe:2::10"), false}, {2, ping("10.100.1.10"), false},
			{1, ping("192.168.1.1"), false}, {1, ping("198.18.2.2"), false},
			{1, ping("198.18.2.1"), true}, {1, ping("fd00:7268:0:2::1"), true}, // the WAN, masqueraded
			{1, lookup("vm.aaaaaaaa.internal", "10.100.1.1"), true},
			{2, lookup("vm.bbbbbbbb.internal", "10.100.2.1"), true},
			{1, lookup("vm.bbbbbbbb.internal", "10.100.1.1"), false},
			{1, lookup("vm.bbbbbbbb.internal", "10.100.2.1"), false},
		} {
			if got := s.try(s.guests, inside(c.guest, "sh -c '"+c.probe+"'")); got != c.want {
				t.Errorf("guest %d: %s: %v, want %v", c.guest, c.probe, got, c.want)
			}
		}
	})

	t.Run("tunnel", func(t *testing.T) {
		s.dial(one)
		for probe, want := range map[string]bool{
			ping("10.100.1.10"): true, ping("fd42:cafe:1::10"): true, ping("10.110.1.1"): true,
			lookup("vm.aaaaaaaa.internal", "10.110.1.1"): true,
			ping("10.100.2.10"):                          false, ping("10.100.2.1"): false, ping("192.168.1.1"): false,
		} {
			if got := s.try(s.laptop, probe); got != want {
				t.Errorf("laptop: %s: %v, want %v", probe, got, want)
			}
		}
		if !strings.Contains(s.run(s.router, "wg show rzw_aaaaaaaa latest-handshakes"), one.peer.PublicKey().String()) {
			t.Error("no handshake")
		}
	})

	t.Run("reload", func(t *testing.T) { s.testReload(t, one, two) })
	t.Run("crash", func(t *testing.T) { s.testCrashes(t) })
	t.Run("only what is configured", func(t *testing.T) { s.testRules(t, one, two) })
	t.Run("reboot", func(t *testing.T) { s.testReboot(t) })
	t.Run("removal", func(t *testing.T) { s.testRemoval(t) })
}

// testReload: what did not change is not touched; what changed is; a peer's change is not applied, as with the real netifd.
func (s *site) testReload(t *testing.T, one, two tenant) {
	before := map[string]string{}
	for _, d := range []string{"br-rz.121", "rzw_aaaaaaaa", "br-rz.122", "rzw_bbbbbbbb"} {
		before[d] = s.index(d)
	}
	two.peer = key(t)
	one.n = 3 // other addresses
	s.configure(one, two)
	s.run(s.router, "ubus call network reload")
	s.eventually("the new address is there", func() bool {
		return s.try(s.router, "ip -4 address show dev br-rz.121 | grep -q 10.100.3.1/24")
	})
	s.awaitUp("rzw_aaaaaaaa")
	if s.index("br-rz.121") == before["br-rz.121"] {
		t.Error("the device of an interface with another address was kept")
	}
	for _, d := range []string{"br-rz.122", "rzw_bbbbbbbb"} {
		if s.index(d) != before[d] {
			t.Errorf("%s was touched", d)
		}
	}
	if got := s.run(s.router, "wg show rzw_bbbbbbbb peers"); got != "" {
		t.Errorf("a reload applied a peer: %s", got)
	}
	s.run(s.router, "ifup rzw_bbbbbbbb")
	s.eventually("ifup applies the peer", func() bool {
		return s.try(s.router, "wg show rzw_bbbbbbbb peers | grep -qF "+two.peer.PublicKey().String())
	})
	one.n = 1
	s.configure(one, two)
	s.apply(one, two)
	s.reachable("after its device was made anew")
}

// testCrashes: devices that programs carry come back with their addresses when the programs are killed.
func (s *site) testCrashes(t *testing.T) {
	for _, service := range []string{"wireguard.rzw_aaaaaaaa", fabric.SwitchService, "netifd", "dnsmasq.rz_aaaaaaaa_dns"} {
		if err := s.router.SignalService(t.Context(), service, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		s.reachable("after a crash of " + service)
		s.eventually("names resolve after a crash of "+service, func() bool {
			return s.try(s.laptop, lookup("vm.aaaaaaaa.internal", "10.110.1.1"))
		})
	}
}

// testRules: the ruleset is that of the configuration, no more; a rule that is added by hand opens what was closed.
func (s *site) testRules(t *testing.T, one, two tenant) {
	if got := s.run(s.router, "nft list tables"); got != "table inet fw4" {
		t.Errorf("tables: %s", got)
	}
	loaded := s.run(s.router, "nft -s list ruleset")
	s.run(s.router, "fw4 -q reload")
	if again := s.run(s.router, "nft -s list ruleset"); again != loaded {
		t.Error("a reload of the same configuration gives other rules")
	}
	probe := inside(1, ping("10.100.2.10"))
	if s.try(s.guests, probe) {
		t.Fatal("the networks reach each other")
	}
	text, err := os.ReadFile(s.file("firewall"))
	if err != nil {
		t.Fatal(err)
	}
	s.write("firewall", string(text)+"\nconfig forwarding\n\toption src rz_aaaaaaaa\n\toption dest rz_bbbbbbbb\n")
	s.run(s.router, "fw4 -q reload")
	if !s.try(s.guests, probe) {
		t.Error("the rule does not open anything")
	}
	s.write("firewall", string(text))
	s.run(s.router, "fw4 -q reload")
	if s.try(s.guests, probe) {
		t.Error("the rule is gone, the way is still open")
	}
	s.write("firewall", string(text)+"\nconfig rule\n\toption src wan\n\toption proto nonsense\n\toption target ACCEPT\n")
	if s.try(s.router, "fw4 check") {
		t.Error("check accepts a ruleset that nft refuses")
	}
	s.run(s.router, "fw4 reload") // and says nothing by its exit code
	if got := s.run(s.router, "nft -s list ruleset"); got != loaded {
		t.Error("a ruleset that nft refuses changed something")
	}
	s.write("firewall", string(text))
}

// testReboot: a router that loses power comes back by itself, but for what only lay in /tmp.
func (s *site) testReboot(t *testing.T) {
	if err := s.router.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.awaitUp("rzw_aaaaaaaa")
	s.reachable("after a power cut")
	// Without the drop-in the owner's resolver and the tenants' get in each other's way.
	s.run(s.router, "/etc/init.d/dnsmasq restart")
	s.eventually("the trap", func() bool {
		logs, err := filepath.Glob(filepath.Join(s.router.Dir, "log", "dnsmasq.*.log"))
		return err == nil && slices.ContainsFunc(logs, func(path string) bool {
			text, err := os.ReadFile(path)
			return err == nil && strings.Contains(string(text), "Address already in use")
		})
	})
}

func (s *site) testRemoval(t *testing.T) {
	s.configure()
	s.apply()
	s.eventually("the interfaces are gone", func() bool {
		return !s.try(s.router, "ip link show rzw_aaaaaaaa") && !s.try(s.router, "ip link show br-rz.121")
	})
	if s.try(s.router, "ubus call network.interface.rz_aaaaaaaa status") {
		t.Error("the bus still knows the interface")
	}
	services, err := s.router.Services(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(services, func(s machine.ServiceStatus) bool {
		return strings.Contains(s.Name, "rz_") || strings.Contains(s.Name, "rzw_")
	}) {
		t.Errorf("services: %+v", services)
	}
	if got := s.run(s.router, "ovs-vsctl list-ports br-rz"); got != "eth2" {
		t.Errorf("ports: %s", got)
	}
}

func TestProgramsAnswerAsOpenWrts(t *testing.T) {
	s := newSite(t)
	s.awaitUp("wan")
	for _, c := range []struct {
		command, output string
		exit            int
	}{
		{"ubus call network.interface nonsense '{}'", "Command failed: Invalid argument", 2},
		{"ubus call network nonsense", "Command failed: Method not found", 3},
		{"ubus call nonsense dump", "Command failed: Not found", 4},
		{"ubus call network.interface dump '{'", "Failed to parse message data", 255},
		{"ubus list 'network.interface.w*'", "network.interface.wan", 0},
		{"ubus list nonsense", "Command failed: Not found", 4},
		{"fw4 check", "Ruleset passes nftables check.", 0},
		{"fw4 start", "The fw4 firewall appears to be already loaded.", 1},
		{"fw4 network wan", "wan", 0},
		{"fw4 device br-lan", "lan", 0},
		{"fw4 network nonsense", "not found", 1},
		{"uci get network.wan.proto", "static", 0},
		{"uci get network.wan.nonsense", "uci: Entry not found", 1},
		{"uci show dhcp.@dnsmasq[0].domain", "dhcp.@dnsmasq[0].domain='lan'", 0},
		{"/etc/init.d/dnsmasq status", "running", 0},
		{"/etc/init.d/odhcpd enabled", "", 1},
		{"/etc/init.d/network reload", "", 0},
		{"cat /etc/resolv.conf | head -1", "search lan", 0},
	} {
		out, err := s.router.Command(t.Context(), "sh", "-c", c.command).CombinedOutput()
		code := 0
		if err != nil {
			code = exitCode(err)
		}
		if strings.TrimSpace(string(out)) != c.output || code != c.exit {
			t.Errorf("%s: exit %d, %q; want %d, %q", c.command, code, out, c.exit, c.output)
		}
	}
	s.testBadValues(t)
}

// testBadValues: a reload succeeds whatever the file says; the dump tells.
func (s *site) testBadValues(t *testing.T) {
	for text, code := range map[string]string{
		"\toption device br-lan\n\toption proto static\n\toption ipaddr 999.1.1.1/24\n":   "INVALID_ADDRESS",
		"\toption device nonsense0\n\toption proto static\n\toption ipaddr 10.9.0.1/24\n": "NO_DEVICE",
		"\toption device br-lan\n\toption proto nonsense\n":                               "INVALID_PROTO",
	} {
		s.write("network", s.owner["network"]+"\nconfig interface bad\n"+text)
		s.run(s.router, "ubus call network reload")
		s.eventually(code+" is seen", func() bool {
			return s.try(s.router, "ubus call network.interface.bad status | grep -q "+code) && !s.status("bad").Up
		})
	}
	s.write("network", s.owner["network"]+"\nconfig interface broken\n\toption device 'br-lan\n")
	s.run(s.router, "ubus call network reload")
	s.eventually("the broken file is partly live", func() bool {
		return s.try(s.router, "ubus call network.interface.broken status") && s.status("wan").Up
	})
}

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

func TestWANByDHCP(t *testing.T) {
	s := newSite(t)
	s.awaitUp("wan")
	err := s.laptop.StartService(t.Context(), machine.Service{Name: "dhcp", Args: []string{
		"dnsmasq", "-k", "--conf-file=/dev/null", "--port=0", "--interface=eth0", "--bind-interfaces", "--no-ping", "--user=root",
		"--dhcp-leasefile=/tmp/leases", "--dhcp-range=198.18.2.50,198.18.2.50", "--dhcp-option=option:dns-server,198.18.2.53",
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.write("network", "config interface 'wan'\n\toption device 'eth0'\n\toption proto 'dhcp'\n")
	s.run(s.router, "ubus call network reload")
	s.eventually("the lease is there", func() bool {
		return s.try(s.router, "ip route show default | grep -q 'via 198.18.2.1 dev eth0'") && s.status("wan").Up
	})
	if got := s.run(s.router, "ip -4 -br address show eth0"); !strings.Contains(got, "198.18.2.50/24") || strings.Contains(got, "198.18.2.2/24") {
		t.Errorf("addresses: %s", got)
	}
	if got := s.run(s.router, "cat /tmp/resolv.conf.d/resolv.conf.auto"); !strings.Contains(got, "nameserver 198.18.2.53") {
		t.Errorf("resolv.conf.auto: %s", got)
	}
	s.write("network", "")
	s.run(s.router, "ubus call network reload")
	s.eventually("the client is gone", func() bool {
		return !s.try(s.router, "pgrep -x busybox") && !s.try(s.router, "ip -4 address show eth0 | grep -q 198.18.2.50")
	})
}
