// SPDX-License-Identifier: Apache-2.0

package fw4

import (
	"net/netip"
	"strings"

	"github.com/rhyzome/rhyzome/lab/openwrt/uci"
)

// redirect is a `config redirect` with target DNAT while it is read.
type redirect struct {
	rule
	srcDIP    []subnet
	srcDPort  []port
	reflected bool
}

func (fw *firewall) readRedirect(s *uci.Section) {
	o := fw.options(s)
	r := redirect{rule: rule{
		name: o.one("name", fw.config.ID(s)), family: o.family(),
		src: o.zoneRef("src"), dest: o.zoneRef("dest"),
		protocols: o.protocols(), srcIP: o.subnets("src_ip"), destIP: o.subnets("dest_ip"),
		srcPort: each(o, "src_port", parsePort), destPort: each(o, "dest_port", parsePort),
		srcMAC: o.many("src_mac"), limit: o.limit("limit", ""), burst: o.number("limit_burst", ""),
		counter: o.bool("counter", true), target: o.choice("target", "dnat", "dnat", "snat"),
	}}
	r.srcDIP, r.srcDPort = o.subnets("src_dip"), each(o, "src_dport", parsePort)
	r.reflected = o.bool("reflection", true)
	o.one("reflection_src", "")
	if !o.rest(missing...) || !fw.checkRedirect(s, &r) {
		return
	}
	if len(r.destPort) == 0 {
		r.destPort = r.srcDPort
	}
	if r.reflected && r.dest != nil && r.dest.zone != nil && r.src.zone.masq {
		z := r.dest.zone
		z.to["accept"], z.dnat, z.snat = true, true, true
	}
	r.src.zone.dnat = true
	chain := "dstnat_" + r.src.zone.name
	for _, protocol := range r.protocols {
		fw.redirects[chain] = append(fw.redirects[chain], fw.redirectRules(s, r, protocol)...)
	}
}

// checkRedirect reports whether fw4 would take the redirect, and gives it a destination if it names none.
func (fw *firewall) checkRedirect(s *uci.Section, r *redirect) bool {
	switch {
	case r.target == "snat":
		fw.refuse(s, "target 'SNAT'")
		return false
	case r.src == nil:
		fw.warn(s, "has no source specified")
		return false
	case r.src.any:
		fw.warn(s, "must not have source '*' for dnat target")
		return false
	case len(r.destIP) > 0 && r.destIP[0].invert:
		fw.warn(s, "must not specify a negated 'dest_ip' value")
		return false
	}
	if r.dest == nil && len(r.destIP) > 0 {
		if z := fw.zoneOf(r.destIP[0].Addr()); z != nil {
			fw.warn(s, "does not specify a destination, assuming '%s'", z.name)
			r.dest = &zoneRef{zone: z}
		}
	}
	if r.reflected && r.dest != nil && r.dest.zone != nil && len(r.destIP) > 0 {
		fw.checkReflection(s, r)
	}
	return true
}

// checkReflection refuses a redirect that fw4 would reflect to clients inside. It does so where it knows the addresses of
// their zone.
func (fw *firewall) checkReflection(s *uci.Section, r *redirect) {
	f := familyOf(r.destIP[0].Prefix)
	switch masquerades := f == ipv4 && r.src.zone.masq || f == ipv6 && r.src.zone.masq6; {
	case !masquerades:
	case len(of(f, r.dest.zone.subnets)) > 0:
		fw.refuse(s, "NAT reflection (set option 'reflection' to '0')")
	default:
		fw.warn(s, "internal rewrite IP cannot be determined, disabling reflection")
	}
}

func (fw *firewall) zoneOf(a netip.Addr) *zone {
	for _, z := range fw.zones {
		for _, s := range z.subnets {
			if s.Contains(a) {
				return z
			}
		}
	}
	return nil
}

func (fw *firewall) redirectRules(s *uci.Section, r redirect, protocol string) []string {
	f := r.family
	if protocol == "ipv6-icmp" {
		f = ipv6
	}
	f, ok := fw.infer(s, f, []restriction{
		{onlyFamily(r.srcIP), "source IP"}, {onlyFamily(r.srcDIP), "destination IP"}, {onlyFamily(r.destIP), "rewrite IP"},
		{zoneFamily(r.src), "source zone"}, {zoneFamily(r.dest), "destination zone"},
	})
	if !ok {
		return nil
	}
	has := func(f family) bool { return len(of(f, r.srcIP))+len(of(f, r.srcDIP))+len(of(f, r.destIP)) > 0 }
	hasAny := has(ipv4) || has(ipv6)
	if f.either() && !hasAny {
		if f == unset {
			f = ipv4
		}
		return []string{r.rule1(f, protocol)}
	}
	var rules []string
	for _, each := range []family{ipv4, ipv6} {
		if (f.either() || f == each) && (!hasAny || has(each)) {
			rules = append(rules, r.rule1(each, protocol))
		}
	}
	return rules
}

// rule1 writes the rule of one family and protocol.
func (r redirect) rule1(f family, protocol string) string {
	ports := protocol == "tcp" || protocol == "udp"
	src, dest := of(f, r.srcIP), of(f, r.srcDIP)
	var b strings.Builder
	if len(src)+len(dest) == 0 {
		b.WriteString(f.match())
	}
	if hasPorts := ports && len(r.srcPort)+len(r.srcDPort)+len(r.destPort) > 0; protocol != "" && !hasPorts {
		b.WriteString("meta l4proto " + layer4(f, protocol) + " ")
	}
	b.WriteString(addresses(f, "saddr", src) + addresses(f, "daddr", dest))
	if ports {
		b.WriteString(portsMatch(protocol, "sport", r.srcPort) + portsMatch(protocol, "dport", r.srcDPort))
	}
	b.WriteString(macs(r.srcMAC) + limits(r.limit, r.burst) + count(r.counter))
	b.WriteString(r.action(f, ports) + " comment " + comment(r.name))
	return b.String()
}

func (r redirect) action(f family, ports bool) string {
	to := of(f, r.destIP)
	withPort := ports && len(r.destPort) > 0
	if len(to) == 0 {
		if withPort {
			return "redirect to " + r.destPort[0].String()
		}
		return "redirect"
	}
	host := to[0].Addr().String()
	if !withPort {
		return "dnat " + host
	}
	if f == ipv6 {
		host = "[" + host + "]"
	}
	return "dnat " + host + ":" + r.destPort[0].String()
}
