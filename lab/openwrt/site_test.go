// SPDX-License-Identifier: Apache-2.0

package openwrt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/rhyzome/rhyzome/lab/fabric"
	"github.com/rhyzome/rhyzome/lab/machine"
	"github.com/rhyzome/rhyzome/lab/openwrt"
)

// tenant is a network as a provider writes it; n tells two apart.
type tenant struct {
	handle string
	vlan   int
	n      int // 10.100.N.0/24, fd42:cafe:N::/64; WireGuard 10.110.N.0/24
	port   int
	key    wgtypes.Key
	peer   wgtypes.Key // of the one peer that is admitted; zero for none
}

func (c tenant) network() string {
	text := fmt.Sprintf(`
config bridge-vlan 'rz_%[1]s_vlan'
	option device 'br-rz'
	option vlan '%[2]d'
	list ports 'eth2:t'

config device 'rz_%[1]s_device'
	option name 'br-rz.%[2]d'
	option rpfilter 'strict'

config interface 'rz_%[1]s'
	option device 'br-rz.%[2]d'
	option proto 'static'
	list ipaddr '10.100.%[3]d.1/24'
	list ip6addr 'fd42:cafe:%[3]d::1/64'

config interface 'rzw_%[1]s'
	option proto 'wireguard'
	option private_key '%[5]s'
	option listen_port '%[4]d'
	list addresses '10.110.%[3]d.1/24'
	list addresses 'fd42:cafe:%[3]d:1::1/64'
	option mtu '1420'
	option nohostroute '1'
`, c.handle, c.vlan, c.n, c.port, c.key)
	if c.peer != (wgtypes.Key{}) {
		text += fmt.Sprintf(`
config wireguard_rzw_%[1]s 'rz_%[1]s_peer'
	option public_key '%[2]s'
	list allowed_ips '10.110.%[3]d.2/32'
	list allowed_ips 'fd42:cafe:%[3]d:1::2/128'
`, c.handle, c.peer.PublicKey(), c.n)
	}
	return text
}

func (c tenant) dhcp() string {
	return fmt.Sprintf(`
config dnsmasq 'rz_%[1]s_dns'
	option domain '%[1]s.internal'
	option local '/internal/'
	option expandhosts '1'
	option domainneeded '1'
	option authoritative '1'
	option localuse '0'
	option nohosts '1'
	option ignore_hosts_dir '1'
	option add_local_hostname '0'
	option leasefile '/tmp/dhcp.leases.rz_%[1]s'
	list interface 'rz_%[1]s'
	list interface 'rzw_%[1]s'
	list notinterface 'loopback'

config dhcp 'rz_%[1]s'
	option interface 'rz_%[1]s'
	option instance 'rz_%[1]s_dns'
	option force '1'
	option start '2'
	option limit '1'
	option dynamicdhcp '0'
	option leasetime '1h'
	option ra 'server'
	option dhcpv6 'server'
	option ra_management '2'
	list dhcp_option 'option:domain-search,%[1]s.internal'
	list domain '%[1]s.internal'

config host 'rz_%[1]s_host'
	option instance 'rz_%[1]s_dns'
	option name 'vm'
	list mac '02:00:00:00:00:%02[2]x'
	option ip '10.100.%[2]d.10'
	option hostid '10'
	option dns '1'
`, c.handle, c.n)
}

func (c tenant) firewall() string {
	return fmt.Sprintf(`
config zone 'rz_%[1]s_zone'
	option name 'rz_%[1]s'
	list device 'br-rz.%[2]d'
	list device 'rzw_%[1]s'
	option input 'REJECT'
	option output 'ACCEPT'
	option forward 'ACCEPT'

config forwarding 'rz_%[1]s_egress'
	option src 'rz_%[1]s'
	option dest 'wan'

config rule 'rz_%[1]s_dns'
	option src 'rz_%[1]s'
	option proto 'tcp udp'
	option dest_port '53'
	list dest_ip '10.100.%[3]d.1'
	list dest_ip 'fd42:cafe:%[3]d::1'
	list dest_ip '10.110.%[3]d.1'
	list dest_ip 'fd42:cafe:%[3]d:1::1'
	option target 'ACCEPT'

config rule 'rz_%[1]s_dhcp4'
	option src 'rz_%[1]s'
	option family 'ipv4'
	option proto 'udp'
	option dest_port '67'
	option target 'ACCEPT'

config rule 'rz_%[1]s_ping4'
	option src 'rz_%[1]s'
	option family 'ipv4'
	option proto 'icmp'
	list icmp_type 'echo-request'
	list dest_ip '10.100.%[3]d.1'
	list dest_ip '10.110.%[3]d.1'
	option target 'ACCEPT'

config rule 'rz_%[1]s_icmp6'
	option src 'rz_%[1]s'
	option family 'ipv6'
	option proto 'icmp'
	list icmp_type 'echo-request'
	list icmp_type 'neighbour-solicitation'
	list icmp_type 'neighbour-advertisement'
	list icmp_type 'router-solicitation'
	list dest_ip 'fd42:cafe:%[3]d::1'
	list dest_ip 'fd42:cafe:%[3]d:1::1'
	list dest_ip 'fe80::/10'
	list dest_ip 'ff02::/16'
	option target 'ACCEPT'

config rule 'rz_%[1]s_wg'
	option src 'wan'
	option proto 'udp'
	option dest_port '%[4]d'
	option target 'ACCEPT'
`, c.handle, c.vlan, c.n, c.port)
}

const trunkBridge = `
config device 'rz_trunk'
	option name 'br-rz'
	option type 'bridge'
	option vlan_filtering '1'
	option bridge_empty '1'
	list ports 'eth2'
`

// site is a router with a machine of guests on its trunk and a laptop on its WAN.
type site struct {
	t           *testing.T
	router      *machine.Machine
	guests      *machine.Machine // a network namespace g1, g2 for each tenant
	laptop      *machine.Machine
	trunk, home *fabric.Segment
	owner       map[string]string // the owner's files of /etc/config
	spec        machine.Spec
	wan         openwrt.WAN
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{t: t, owner: map[string]string{}}
	var err error
	for name, segment := range map[string]**fabric.Segment{"trunk": &s.trunk, "home": &s.home} {
		if *segment, err = fabric.StartSegment(t.Context(), name, s.dir(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	s.spec = machine.Spec{Name: "router", Dir: s.dir(dir, "router")}
	s.wan = openwrt.WAN{
		Addresses: []netip.Prefix{netip.MustParsePrefix("198.18.2.2/24"), netip.MustParsePrefix("fd00:7268:0:2::2/64")},
		Gateways:  []netip.Addr{netip.MustParseAddr("198.18.2.1"), netip.MustParseAddr("fd00:7268:0:2::1")},
	}
	s.start()
	for name, m := range map[string]**machine.Machine{"guests": &s.guests, "laptop": &s.laptop} {
		if *m, err = machine.Start(t.Context(), machine.Spec{Name: name, Dir: s.dir(dir, name)}); err != nil {
			t.Fatal(err)
		}
	}
	s.connectLaptop()
	s.connectGuests()
	for _, name := range []string{"network", "dhcp", "firewall"} {
		text, err := os.ReadFile(s.file(name))
		if err != nil {
			t.Fatal(err)
		}
		s.owner[name] = string(text)
	}
	return s
}

func (s *site) dir(parent, name string) string {
	dir := filepath.Join(parent, name)
	s.t.Cleanup(func() {
		s.checkLogs(dir)
		if err := machine.Remove(context.Background(), dir); err != nil {
			s.t.Error(err)
		}
	})
	return dir
}

// checkLogs looks for what a program that is started again by itself would hide, and shows the ends of all if anything
// went wrong.
func (s *site) checkLogs(dir string) {
	logs, err := filepath.Glob(filepath.Join(dir, "log", "*.log"))
	if err != nil {
		s.t.Error(err)
	}
	for _, path := range logs {
		text, err := os.ReadFile(path)
		if err != nil {
			s.t.Error(err)
		}
		for _, sign := range []string{"DATA RACE", "panic:", "fatal error:"} {
			if _, after, found := strings.Cut(string(text), sign); found {
				s.t.Errorf("%s: %s%s", path, sign, after)
			}
		}
		if s.t.Failed() {
			s.t.Logf("%s:\n%s", path, text[max(0, len(text)-2000):])
		}
	}
}

func (s *site) start() {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	if s.router, err = openwrt.Start(s.t.Context(), s.spec, self, s.trunk, s.home, s.wan); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) connectLaptop() {
	s.t.Helper()
	if err := s.home.Connect(s.laptop, "eth0"); err != nil {
		s.t.Fatal(err)
	}
	if err := s.laptop.Address("eth0", netip.MustParsePrefix("198.18.2.1/24"), netip.MustParsePrefix("fd00:7268:0:2::1/64")); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) connectGuests() {
	s.t.Helper()
	if err := s.trunk.Connect(s.guests, "trunk0"); err != nil {
		s.t.Fatal(err)
	}
	if err := fabric.StartOpenVSwitch(s.t.Context(), s.guests); err != nil {
		s.t.Fatal(err)
	}
	if err := fabric.AddBridge(s.t.Context(), s.guests, "br", "trunk0"); err != nil {
		s.t.Fatal(err)
	}
	for n := 1; n <= 2; n++ {
		s.run(s.guests, fmt.Sprintf(`ovs-vsctl add-port br g%[1]d tag=12%[1]d -- set interface g%[1]d type=internal
			ip netns add g%[1]d && ip link set g%[1]d netns g%[1]d && ip -n g%[1]d link set lo up
			ip -n g%[1]d link set g%[1]d address 02:00:00:00:00:0%[1]d && ip -n g%[1]d link set g%[1]d up`, n))
	}
}

func (s *site) file(name string) string { return filepath.Join(s.spec.Dir, "config", name) }

// configure writes the owner's configuration and, behind it, that of the tenants.
func (s *site) configure(tenants ...tenant) {
	s.t.Helper()
	files := map[string]string{"network": trunkBridge}
	for _, c := range tenants {
		files["network"] += c.network()
		files["dhcp"] += c.dhcp()
		files["firewall"] += c.firewall()
	}
	for name, owner := range s.owner {
		s.write(name, owner+files[name])
	}
}

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.file(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// apply does what a provider does after it wrote: the firewall first, then the network, then the names.
func (s *site) apply(tenants ...tenant) {
	s.t.Helper()
	s.run(s.router, "fw4 -q check && fw4 -q reload && ubus call network reload")
	for _, c := range tenants {
		s.awaitUp("rz_" + c.handle)
		s.awaitUp("rzw_" + c.handle)
	}
	// What keeps the owner's resolver off the tenants' devices, read at its next start.
	s.run(s.router, "mkdir -p /tmp/dnsmasq.cfg01411c.d && printf 'except-interface=br-rz.*\nexcept-interface=rzw_*\n' >/tmp/dnsmasq.cfg01411c.d/rz.conf")
	s.run(s.router, "/etc/init.d/dnsmasq restart")
}

func (s *site) run(m *machine.Machine, script string) string {
	s.t.Helper()
	out, err := m.Run(s.t.Context(), "sh", "-ec", script)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// try reports whether a command succeeds.
func (s *site) try(m *machine.Machine, script string) bool {
	_, err := m.Run(s.t.Context(), "sh", "-ec", script)
	return err == nil
}

// patience allows for a laptop that notices only after 15 s that the other end of its tunnel is another one now
// (WireGuard's KEEPALIVE_TIMEOUT and REKEY_TIMEOUT), after seconds in which netifd brings everything up.
const patience = time.Minute

func (s *site) eventually(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			s.t.Fatalf("not within %v: %s", patience, what)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// netInterface is what a provider looks at in the dump.
type netInterface struct {
	Up       bool                               `json:"up"`
	L3Device string                             `json:"l3_device"`
	IPv4     []any                              `json:"ipv4-address"`
	Errors   []struct{ Subsystem, Code string } `json:"errors"`
}

func (s *site) status(name string) netInterface {
	s.t.Helper()
	var i netInterface
	if err := json.Unmarshal([]byte(s.run(s.router, "ubus call network.interface."+name+" status")), &i); err != nil {
		s.t.Fatal(err)
	}
	return i
}

func (s *site) awaitUp(name string) {
	s.t.Helper()
	s.eventually(name+" is up", func() bool {
		return s.try(s.router, "ubus call network.interface."+name+" status") && s.status(name).Up
	})
}

func (s *site) index(device string) string {
	s.t.Helper()
	return s.run(s.router, "cat /sys/class/net/"+device+"/ifindex")
}

func key(t *testing.T) wgtypes.Key {
	t.Helper()
	k, err := wgtypes.GeneratePrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// inside runs a command in a guest's namespace.
func inside(n int, command string) string { return fmt.Sprintf("ip netns exec g%d %s", n, command) }

// address gives a guest its addresses and routes by hand, as its lease says.
func (s *site) address(n int) {
	s.run(s.guests, fmt.Sprintf(`ip -n g%[1]d address replace 10.100.%[1]d.10/24 dev g%[1]d
		ip -n g%[1]d address replace fd42:cafe:%[1]d::10/64 dev g%[1]d nodad
		ip -n g%[1]d route replace default via 10.100.%[1]d.1; ip -n g%[1]d -6 route replace default via fd42:cafe:%[1]d::1`, n))
}

func ping(address string) string { return "ping -c1 -W2 " + address }

// lookup asks a server for a name; nslookup of busybox fails if there is no answer.
func lookup(name, server string) string {
	return "timeout 5 busybox nslookup " + name + " " + server + " 2>&1 | grep -A9 ^Name"
}

// dial brings up the laptop's tunnel.
func (s *site) dial(c tenant) {
	s.t.Helper()
	config := fmt.Sprintf("[Interface]\nPrivateKey = %s\n[Peer]\nPublicKey = %s\nEndpoint = 198.18.2.2:%d\nAllowedIPs = 10.0.0.0/8, 192.168.0.0/16, fd42::/16\n",
		c.peer, c.key.PublicKey(), c.port)
	if err := os.WriteFile(s.tunnelFile(), []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := s.laptop.StartService(s.t.Context(), machine.Service{Name: "wg", Args: []string{"wireguard-go", "-f", "wg0"}}); err != nil {
		s.t.Fatal(err)
	}
	s.eventually("wireguard-go answers", func() bool { return s.try(s.laptop, "wg setconf wg0 "+s.tunnelFile()) })
	s.run(s.laptop, fmt.Sprintf(`ip address add 10.110.%[1]d.2/32 dev wg0; ip address add fd42:cafe:%[1]d:1::2/128 dev wg0
		ip link set wg0 up mtu 1420; ip route add 10.0.0.0/8 dev wg0; ip route add 192.168.0.0/16 dev wg0; ip route add fd42::/16 dev wg0`, c.n))
}

func (s *site) tunnelFile() string { return filepath.Join(s.laptop.Dir, "wg.conf") }

// reachable waits until the laptop reaches the guest. It begins a new session each time: an old one takes 15 s to notice
// that the other end was made anew.
func (s *site) reachable(when string) {
	s.t.Helper()
	s.eventually("the laptop reaches the guest "+when, func() bool {
		return s.try(s.laptop, "wg setconf wg0 "+s.tunnelFile()+" && ping -c1 -W1 10.100.1.10")
	})
}
