// SPDX-License-Identifier: Apache-2.0

package fw4

import (
	"fmt"
	"strings"

	"github.com/rhyzome/rhyzome/lab/openwrt/uci"
)

// rule is a `config rule` while it is read.
type rule struct {
	name              string
	family            family
	src, dest         *zoneRef
	protocols         []string
	srcIP, destIP     []subnet
	srcPort, destPort []port
	srcMAC            []string
	icmp              []icmpMatch
	limit, burst      string
	counter           bool
	target            string
	device, direction string
}

// The options of rules and redirects that fw4 has and the stand-in has not.
var missing = []string{"ipset", "helper", "set_helper", "extra", "utc_time", "start_date", "stop_date", "start_time", "stop_time",
	"weekdays", "monthdays", "mark", "set_mark", "set_xmark", "dscp", "set_dscp", "log", "log_limit", "reflection_zone", "_name"}

func (fw *firewall) readRule(s *uci.Section) {
	o := fw.options(s)
	r := rule{
		name: o.one("name", fw.config.ID(s)), family: o.family(),
		src: o.zoneRef("src"), dest: o.zoneRef("dest"),
		protocols: o.protocols(),
		srcIP:     o.subnets("src_ip"), destIP: o.subnets("dest_ip"),
		srcPort: each(o, "src_port", parsePort), destPort: each(o, "dest_port", parsePort),
		srcMAC: o.many("src_mac"), icmp: each(o, "icmp_type", parseICMP),
		limit: o.limit("limit", ""), burst: o.number("limit_burst", ""),
		counter: o.bool("counter", true),
		target:  o.choice("target", "", "accept", "reject", "drop", "notrack", "helper", "mark", "dscp", "dnat", "snat", "masquerade"),
		device:  o.one("device", ""), direction: "iifname",
	}
	if strings.HasPrefix(o.one("direction", "in"), "o") {
		r.direction = "oifname"
	}
	switch r.target {
	case "", "accept", "reject", "drop":
	default:
		fw.refuse(s, "target '%s'", r.target)
	}
	if !o.rest(missing...) {
		return
	}
	chain, action := r.place()
	for _, protocol := range r.protocols {
		for _, match := range fw.ruleMatches(s, r, protocol) {
			fw.rules[chain] = append(fw.rules[chain], match+limits(r.limit, r.burst)+count(r.counter)+action+
				"comment "+comment(r.name))
		}
	}
}

// place says which chain the rule belongs in, and what it does there. It marks the zone that needs a chain for that.
func (r rule) place() (chain, action string) {
	switch {
	case r.src == nil && (r.dest == nil || r.dest.any):
		chain = "output"
	case r.src == nil:
		chain = "output_" + r.dest.zone.name
	case r.src.any && r.dest == nil:
		chain = "input"
	case r.src.any:
		chain = "forward"
	case r.dest == nil:
		chain = "input_" + r.src.zone.name
	default:
		chain = "forward_" + r.src.zone.name
	}
	switch {
	case r.target == "":
		return chain, ""
	case r.dest != nil && !r.dest.any:
		r.dest.zone.to[r.target] = true
		return chain, "jump " + r.target + "_to_" + r.dest.zone.name + " "
	case r.target == "reject":
		return chain, "jump handle_reject "
	}
	return chain, r.target + " "
}

// ruleMatches returns the conditions of a rule for one protocol: one, or more where they differ by family.
func (fw *firewall) ruleMatches(s *uci.Section, r rule, protocol string) []string {
	icmp := r.icmp
	if protocol != "icmp" && protocol != "ipv6-icmp" {
		icmp = nil
	}
	f := r.family
	if protocol == "ipv6-icmp" {
		f = ipv6
	}
	f, ok := fw.infer(s, f, []restriction{
		{onlyFamily(r.srcIP), "source IP"}, {onlyFamily(r.destIP), "destination IP"},
		{zoneFamily(r.src), "source zone"}, {zoneFamily(r.dest), "destination zone"},
	})
	if !ok {
		return nil
	}
	is4 := len(of(ipv4, r.srcIP))+len(of(ipv4, r.destIP)) > 0 || protocol == "icmp" && hasFamily(ipv4, icmp)
	is6 := len(of(ipv6, r.srcIP))+len(of(ipv6, r.destIP)) > 0 || hasFamily(ipv6, icmp)
	if f == unset && is4 != is6 {
		f = map[bool]family{true: ipv4, false: ipv6}[is4]
	}
	if f.either() && !is4 && !is6 {
		return []string{r.match(both, protocol, "")}
	}
	var matches []string
	for _, each := range []family{ipv4, ipv6} {
		if !f.either() && f != each {
			continue
		}
		kinds := icmpMatches(each, icmp)
		if len(kinds) == 0 {
			kinds = []string{""}
		}
		for _, kind := range kinds {
			matches = append(matches, r.match(each, protocol, kind))
		}
	}
	return matches
}

// match writes the conditions of one family and protocol, in fw4's order.
func (r rule) match(f family, protocol, icmp string) string {
	src, dest := of(f, r.srcIP), of(f, r.destIP)
	ports := protocol == "tcp" || protocol == "udp"
	hasPorts := ports && len(r.srcPort)+len(r.destPort) > 0
	var b strings.Builder
	if len(src)+len(dest) == 0 {
		b.WriteString(f.match())
	}
	if protocol != "" && !hasPorts && icmp == "" {
		b.WriteString("meta l4proto " + layer4(f, protocol) + " ")
	}
	if r.device != "" {
		b.WriteString(r.direction + " " + set([]string{r.device}) + " ")
	}
	b.WriteString(addresses(f, "saddr", src) + addresses(f, "daddr", dest))
	if ports {
		b.WriteString(portsMatch(protocol, "sport", r.srcPort) + portsMatch(protocol, "dport", r.destPort))
	}
	b.WriteString(macs(r.srcMAC) + icmp)
	return b.String()
}

func layer4(f family, protocol string) string {
	switch {
	case protocol == "icmp" && f == both:
		return set([]string{"icmp", "ipv6-icmp"})
	case protocol == "icmp" && f == ipv6:
		return "ipv6-icmp"
	}
	return protocol
}

// addresses writes the conditions on one side's addresses: those that it must be of, then those that it must not.
func addresses(f family, side string, all []subnet) string {
	var yes, no []string
	for _, s := range all {
		if s.invert {
			no = append(no, s.String())
		} else {
			yes = append(yes, s.String())
		}
	}
	return yesAndNo(f.address()+" "+side, yes, no)
}

func portsMatch(protocol, side string, all []port) string {
	var yes, no []string
	for _, p := range all {
		if p.invert {
			no = append(no, p.String())
		} else {
			yes = append(yes, p.String())
		}
	}
	return yesAndNo(protocol+" "+side, yes, no)
}

func macs(all []string) string {
	var yes, no []string
	for _, m := range all {
		if text, invert := cutNot(strings.ToLower(strings.ReplaceAll(m, "-", ":"))); invert {
			no = append(no, text)
		} else {
			yes = append(yes, text)
		}
	}
	return yesAndNo("ether saddr", yes, no)
}

func yesAndNo(what string, yes, no []string) string {
	var match string
	if len(yes) > 0 {
		match = what + " " + set(yes) + " "
	}
	if len(no) > 0 {
		match += what + " != " + set(no) + " "
	}
	return match
}

func limits(limit, burst string) string {
	if limit == "" {
		return ""
	}
	text := "limit rate " + limit + " "
	if burst != "" {
		text += "burst " + burst + " packets "
	}
	return text
}

func comment(name string) string {
	return `"!fw4: ` + strings.ReplaceAll(name, `"`, `'`) + `"`
}

// restriction is a part of a section that fits one family only.
type restriction struct {
	family family
	what   string
}

// infer narrows a family by what a section refers to; parts that contradict each other make fw4 skip the section.
func (fw *firewall) infer(s *uci.Section, f family, parts []restriction) (family, bool) {
	for _, part := range parts {
		switch {
		case part.family.either() || part.family == f:
		case f.either():
			f = part.family
		default:
			fw.warn(s, "is restricted to %s but referenced %s is %s only, skipping", f.title(), part.what, part.family.title())
			return f, false
		}
	}
	return f, true
}

func zoneFamily(ref *zoneRef) family {
	if ref == nil || ref.zone == nil {
		return both
	}
	return ref.zone.family
}

func (fw *firewall) readForwarding(s *uci.Section) {
	o := fw.options(s)
	name, f := o.one("name", ""), o.family()
	src, dest := o.zoneRef("src"), o.zoneRef("dest")
	if !o.bad && (src == nil || dest == nil) {
		o.fail("option 'src' or 'dest' is mandatory but not set")
	}
	if !o.rest() {
		return
	}
	f, ok := fw.infer(s, f, []restriction{{zoneFamily(src), "source zone"}, {zoneFamily(dest), "destination zone"}})
	if !ok {
		return
	}
	if name == "" {
		name = fmt.Sprintf("Accept %s to %s %sforwarding", src, dest, map[bool]string{false: f.title() + " "}[f.either()])
	}
	chain, action := "forward", "accept "
	if !src.any {
		chain = "forward_" + src.zone.name
	}
	if !dest.any {
		dest.zone.to["accept"] = true
		action = "jump accept_to_" + dest.zone.name + " "
	}
	if f == unset {
		f = both
	}
	fw.rules[chain] = append(fw.rules[chain], f.match()+action+"comment "+comment(name))
}

// String is how the names of forwardings call a zone.
func (r *zoneRef) String() string {
	if r.any {
		return "any"
	}
	return r.zone.name
}
