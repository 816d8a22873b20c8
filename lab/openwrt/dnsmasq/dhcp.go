// SPDX-License-Identifier: Apache-2.0

package dnsmasq

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/rhyzome/rhyzome/lab/openwrt/uci"
)

// host writes a fixed lease, and the name into the hosts file if it is to resolve without one.
func (r *renderer) host(s *uci.Section) {
	name, ip, hostID := s.Get("name"), s.Get("ip"), s.Get("hostid")
	if network := s.Get("networkid"); network != "" {
		r.options(s, network)
	}
	if !s.Bool("enable", true) || name == "" && ip == "" && hostID == "" {
		return
	}
	if s.Bool("dns", false) && ip != "" && name != "" {
		fqdn := name
		if r.out.Domain != "" {
			fqdn += "." + r.out.Domain
		}
		r.hosts.WriteString(ip + " " + fqdn + "\n")
	}
	who := s.Words("mac")
	if duid := s.Words("duid"); len(duid) > 0 {
		who = append(who, "id:"+duid[0])
	}
	if len(who) == 0 {
		if name == "" {
			return
		}
		who, name = []string{name}, ""
	}
	r.line("dhcp-host=" + strings.Join(append(who, hostSettings(s, ip, hostID, name)...), ","))
}

func hostSettings(s *uci.Section, ip, hostID, name string) []string {
	var words []string
	if network := s.Get("networkid"); network != "" {
		words = append(words, "set:"+network)
	}
	for _, tag := range s.Words("tag") {
		words = append(words, "set:"+tag)
	}
	if s.Bool("broadcast", false) {
		words = append(words, "set:needs-broadcast")
	}
	if ip != "" {
		words = append(words, ip)
	}
	if n, err := strconv.ParseUint(strings.TrimPrefix(hostID, "0x"), 16, 32); err == nil {
		words = append(words, fmt.Sprintf("[::%x:%x]", n>>16, n&0xffff))
	}
	for _, w := range []string{name, s.Get("leasetime")} {
		if w != "" {
			words = append(words, w)
		}
	}
	return words
}

// domain writes names of an address into the hosts file.
func (r *renderer) domain(s *uci.Section) {
	if names, ip := s.Get("name"), s.Get("ip"); names != "" && ip != "" {
		r.hosts.WriteString(ip + " " + names + "\n")
	}
}

// dhcp writes what one network is served with. Of a network that is down there is nothing to write yet; of one that is
// not static neither.
func (r *renderer) dhcp(s *uci.Section) {
	name := s.Get("interface")
	n, up := r.Networks[name]
	if name == "" || !up || n.Device == "" {
		return
	}
	if s.Bool("ignore", false) {
		r.line("no-dhcp-interface=" + n.Device)
		return
	}
	v4 := first(n.Addresses, true)
	if !v4.IsValid() || n.Proto != "static" {
		return
	}
	if !s.Bool("force", false) && r.Busy(n.Device) {
		return // another server is there: the script says so in the log, and refuses
	}
	network := s.Default("networkid", name)
	if r.section.Bool("add_local_fqdn", r.section.Bool("add_local_hostname", true)) {
		r.hosts.WriteString(v4.Addr().String() + " " + r.Hostname + "\n")
	}
	tags := ""
	for _, t := range s.List("tag") {
		tags += "tag:" + t + ","
	}
	lease := s.Default("leasetime", "12h")
	if from, to, ok := pool(s, v4); ok && s.Get("dhcpv4") != "disabled" {
		end := to.String()
		if !s.Bool("dynamicdhcpv4", s.Bool("dynamicdhcp", true)) {
			end = "static"
		}
		r.line(fmt.Sprintf("dhcp-range=%sset:%s,%s,%s,%s,%s", tags, network, from, end, netmask(v4), lease))
	}
	if s.Get("ra") == "server" {
		r.advertise(s, n.Device, network, lease)
	}
	r.options(s, network)
}

// advertise writes router advertisements and DHCPv6.
func (r *renderer) advertise(s *uci.Section, device, network, lease string) {
	preference := ""
	for _, p := range []string{"high", "low"} {
		if strings.Contains(s.Get("ra_preference"), p) {
			preference = p + ","
		}
	}
	r.line("ra-param=" + device + "," + preference + "0,7200")
	management := s.Get("ra_management")
	if s.Get("dhcpv6") == "disabled" {
		management = "3"
	}
	leases := "::1000,::ffff"
	if !s.Bool("dynamicdhcpv6", s.Bool("dynamicdhcp", true)) {
		leases = "::,static"
	}
	modes := map[string]string{
		"0": "::,constructor:" + device + ",ra-stateless,ra-names",
		"2": leases + ",constructor:" + device + "," + lease,
		"3": "::,constructor:" + device + ",ra-only,ra-names",
	}
	mode, ok := modes[management]
	if !ok {
		mode = leases + ",constructor:" + device + ",slaac,ra-names," + lease
	}
	r.line("dhcp-range=set:" + network + "," + mode)
	servers := "[::]"
	if dns := s.Words("dns"); len(dns) > 0 {
		servers = "[" + strings.Join(dns, "],[") + "]"
	}
	r.line("dhcp-option=" + network + ",option6:dns-server," + servers)
	r.line("dhcp-option=" + network + ",option6:domain-search," + strings.Join(s.Words("domain"), ","))
}

func first(all []netip.Prefix, v4 bool) netip.Prefix {
	for _, p := range all {
		if p.Addr().Is4() == v4 {
			return p
		}
	}
	return netip.Prefix{}
}

// pool is the range of addresses for leases, as ipcalc.sh finds it: start counts from the network's first address, and
// neither end is the router's own.
func pool(s *uci.Section, router netip.Prefix) (from, to netip.Addr, ok bool) {
	limit, err := strconv.ParseInt(s.Default("limit", "150"), 10, 64)
	offset, ok := startOffset(s.Default("start", "100"))
	if err != nil || !ok || router.Bits() > 30 {
		return from, to, false
	}
	hosts := int64(1)<<(32-router.Bits()) - 1
	network, own := int64(toInt(router.Masked().Addr())), int64(toInt(router.Addr()))
	low := max(network|int64(offset)&hosts, network+1)
	if low == own {
		low++
	}
	high := min(low+limit-1, network+hosts-1)
	if high == own {
		high--
	}
	return toAddr(uint32(low)), toAddr(uint32(high)), low <= high
}

// startOffset reads a number, or an address of which only the host's part counts.
func startOffset(text string) (uint32, bool) {
	if a, err := netip.ParseAddr(text); err == nil && a.Is4() {
		return toInt(a), true
	}
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err == nil
}

func toInt(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func toAddr(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

func netmask(p netip.Prefix) netip.Addr { return toAddr(^uint32(0) << (32 - p.Bits())) }
