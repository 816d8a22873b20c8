// SPDX-License-Identifier: Apache-2.0

package fw4

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rhyzome/rhyzome/lab/openwrt/uci"
)

// zone is a group of interfaces.
type zone struct {
	name                   string
	family                 family
	input, output, forward string
	masq, masq6            bool
	masqAllowInvalid       bool
	mtuFix, counter        bool
	helper                 bool // has a chain for conntrack helpers, of which the stand-in has none

	networks []string
	devices  []string
	subnets  []subnet   // of its networks
	groups   [][]string // of devices that one rule matches; a wildcard is alone

	from map[string]bool // verdicts that need a chain VERDICT_from_ZONE
	to   map[string]bool // likewise VERDICT_to_ZONE
	dnat bool
	snat bool
}

var identifier = regexp.MustCompile(`^[a-zA-Z_.][a-zA-Z0-9/_.-]*$`)

func (fw *firewall) readZone(s *uci.Section) {
	o := fw.options(s)
	d := fw.defaults
	z := &zone{
		name: o.one("name", ""), family: o.family(),
		input: o.policy("input", d.input), output: o.policy("output", d.output), forward: o.policy("forward", d.forward),
		masq: o.bool("masq", false), masq6: o.bool("masq6", false), masqAllowInvalid: o.bool("masq_allow_invalid", false),
		mtuFix: o.bool("mtu_fix", false), counter: o.bool("counter", true),
		networks: o.many("network"),
	}
	helper := o.bool("auto_helper", true)
	devices := o.many("device")
	if !identifier.MatchString(z.name) {
		o.fail("option 'name' is mandatory but not set, or not an identifier")
	}
	if !o.rest("subnet", "masq_src", "masq_dest", "extra", "extra_src", "extra_dest", "custom_chains", "log", "log_limit", "helper") {
		return
	}
	for _, name := range z.networks {
		n, ok := fw.networks[name]
		if !ok {
			continue
		}
		if n.Device != "" {
			z.devices = append(z.devices, n.Device)
		}
		for _, p := range n.Addresses {
			z.subnets = append(z.subnets, subnet{Prefix: p})
		}
	}
	for _, device := range devices {
		if strings.HasPrefix(device, "!") || device == "+" || device == "*" {
			fw.refuse(s, "device '%s'", device)
		}
		if prefix, ok := strings.CutSuffix(device, "+"); ok {
			device = prefix + "*"
		}
		z.devices = append(z.devices, device)
	}
	z.groups = groups(z.devices)
	z.helper = helper && !z.masq && !z.masq6
	z.from = map[string]bool{z.input: true}
	z.to = map[string]bool{z.output: true, z.forward: true}
	z.snat = z.masq || z.masq6
	fw.zones = append(fw.zones, z)
}

// groups puts the plain devices together and each wildcard before them on its own.
func groups(devices []string) [][]string {
	var all [][]string
	var plain []string
	for _, d := range devices {
		if strings.HasSuffix(d, "*") {
			all = append(all, []string{d})
		} else {
			plain = append(plain, d)
		}
	}
	if len(plain) > 0 {
		all = append(all, plain)
	}
	return all
}

// match is the condition that a packet comes from (iifname) or goes to (oifname) a group of the zone.
func (z *zone) match(direction string, group []string) string {
	return z.family.match() + direction + " " + set(group) + " "
}

// jumps are the rules that lead into a chain of the zone.
func (z *zone) jumps(kind string) []string {
	direction, noun := "iifname", "traffic"
	switch kind {
	case "output", "srcnat":
		direction = "oifname"
	case "helper":
		noun = "assignment"
	}
	var rules []string
	for _, g := range z.groups {
		if kind == "helper" {
			g = slices.DeleteFunc(slices.Clone(g), func(d string) bool { return d == "lo" })
		}
		if len(g) == 0 {
			continue
		}
		rules = append(rules, z.match(direction, g)+"jump "+kind+"_"+z.name+
			` comment "!fw4: Handle `+z.name+" "+z.family.title()+" "+kind+" "+noun+`"`)
	}
	return rules
}

// verdicts are the rules of the chain VERDICT_from_ZONE or VERDICT_to_ZONE.
func (z *zone) verdicts(verdict, direction string, dropInvalid bool) []string {
	var rules []string
	for _, g := range z.groups {
		if direction == "oifname" && verdict == "accept" && (z.masq || z.masq6) && !z.masqAllowInvalid && !dropInvalid {
			rules = append(rules, z.natLeak(g))
		}
		action := verdict
		if verdict == "reject" {
			action = "jump handle_reject"
		}
		rules = append(rules, z.match(direction, g)+count(z.counter)+action+
			` comment "!fw4: `+verdict+" "+z.name+" "+z.family.title()+` traffic"`)
	}
	return rules
}

func (z *zone) natLeak(group []string) string {
	var match string
	if z.masq != z.masq6 {
		match = ipv6.match()
		if z.masq {
			match = ipv4.match()
		}
	}
	return match + "oifname " + set(group) + " ct state invalid " + count(z.counter) + `drop comment "!fw4: Prevent NAT leakage"`
}

// mssFixes are the rules that clamp TCP's segment size to the path's.
func (z *zone) mssFixes(direction string) []string {
	if !z.mtuFix {
		return nil
	}
	word := map[string]string{"iifname": "ingress", "oifname": "egress"}[direction]
	var rules []string
	for _, g := range z.groups {
		rules = append(rules, z.match(direction, g)+"tcp flags syn / syn,fin,rst tcp option maxseg size set rt mtu "+
			`comment "!fw4: Zone `+z.name+" "+z.family.title()+" "+word+` MTU fixing"`)
	}
	return rules
}

func (z *zone) masquerades() []string {
	var rules []string
	for _, f := range []family{ipv4, ipv6} {
		if f == ipv4 && z.masq || f == ipv6 && z.masq6 {
			rules = append(rules, f.match()+`masquerade comment "!fw4: Masquerade `+f.title()+" "+z.name+` traffic"`)
		}
	}
	return rules
}

func count(on bool) string {
	if on {
		return "counter "
	}
	return ""
}
