// SPDX-License-Identifier: Apache-2.0

package fw4

import "strings"

// writer writes chains.
type writer struct{ strings.Builder }

func (w *writer) chain(name string, rules ...[]string) {
	w.WriteString("\tchain " + name + " {\n")
	for _, some := range rules {
		for _, r := range some {
			w.WriteString("\t\t" + r + "\n")
		}
	}
	w.WriteString("\t}\n\n")
}

// text writes the whole ruleset: one transaction that replaces the table.
func (fw *firewall) text() string {
	w := &writer{}
	w.WriteString("table inet fw4\nflush table inet fw4\n\ntable inet fw4 {\n")
	for _, z := range fw.zones {
		w.WriteString("\tdefine " + z.name + "_devices = " + braces(z.devices) + "\n")
		var subnets []string
		for _, s := range z.subnets {
			subnets = append(subnets, s.String())
		}
		w.WriteString("\tdefine " + z.name + "_subnets = " + braces(subnets) + "\n\n")
	}
	w.WriteString("\tinclude \"/etc/nftables.d/*.nft\"\n\n")
	fw.baseChains(w)
	fw.rejectChains(w)
	for _, z := range fw.zones {
		fw.zoneChains(w, z)
	}
	fw.natChains(w)
	fw.otherChains(w)
	w.WriteString("}\n")
	return w.String()
}

func (fw *firewall) baseChains(w *writer) {
	d := fw.defaults
	w.chain("input",
		hook("filter hook input priority filter", base(d.input)),
		[]string{`iif "lo" accept comment "!fw4: Accept traffic from loopback"`},
		d.flows("inbound"), d.synFloods(),
		fw.rules["input"], fw.jumps("input", all), rejecting(d.input))
	w.chain("forward",
		hook("filter hook forward priority filter", base(d.forward)),
		d.flows("forwarded"),
		fw.rules["forward"], fw.jumps("forward", all), rejecting(d.forward))
	w.chain("output",
		hook("filter hook output priority filter", base(d.output)),
		[]string{`oif "lo" accept comment "!fw4: Accept traffic towards loopback"`},
		d.flows("outbound"),
		fw.rules["output"], fw.jumps("output", all), rejecting(d.output))
	w.chain("prerouting",
		hook("filter hook prerouting priority filter", "accept"),
		fw.jumps("helper", func(z *zone) bool { return z.helper }))
}

func (fw *firewall) rejectChains(w *writer) {
	d := fw.defaults
	w.chain("handle_reject", []string{
		"meta l4proto tcp reject with " + rejection(d.tcpRejectCode) + ` comment "!fw4: Reject TCP traffic"`,
		"reject with " + rejection(d.anyRejectCode) + ` comment "!fw4: Reject any other traffic"`,
	})
	if d.synFlood {
		w.chain("syn_flood", []string{
			limits(d.synRate, d.synBurst) + `return comment "!fw4: Accept SYN packets below rate-limit"`,
			`drop comment "!fw4: Drop excess packets"`,
		})
	}
}

func (fw *firewall) zoneChains(w *writer, z *zone) {
	status := func(what string) []string {
		if !z.dnat {
			return nil
		}
		return []string{`ct status dnat accept comment "!fw4: Accept port ` + what + `"`}
	}
	w.chain("input_"+z.name, fw.rules["input_"+z.name], status("redirections"), []string{"jump " + z.input + "_from_" + z.name})
	w.chain("output_"+z.name, fw.rules["output_"+z.name], []string{"jump " + z.output + "_to_" + z.name})
	w.chain("forward_"+z.name, fw.rules["forward_"+z.name], status("forwards"), []string{"jump " + z.forward + "_to_" + z.name})
	if z.helper {
		w.chain("helper_" + z.name)
	}
	for _, verdict := range []string{"accept", "reject", "drop"} {
		if z.from[verdict] {
			w.chain(verdict+"_from_"+z.name, z.verdicts(verdict, "iifname", fw.defaults.dropInvalid))
		}
		if z.to[verdict] {
			w.chain(verdict+"_to_"+z.name, z.verdicts(verdict, "oifname", fw.defaults.dropInvalid))
		}
	}
}

func (fw *firewall) natChains(w *writer) {
	w.chain("dstnat",
		hook("nat hook prerouting priority dstnat", "accept"),
		fw.jumps("dstnat", func(z *zone) bool { return z.dnat }))
	w.chain("srcnat",
		hook("nat hook postrouting priority srcnat", "accept"),
		fw.jumps("srcnat", func(z *zone) bool { return z.snat }))
	for _, z := range fw.zones {
		if z.dnat {
			w.chain("dstnat_"+z.name, fw.redirects["dstnat_"+z.name])
		}
		if z.snat {
			w.chain("srcnat_"+z.name, z.masquerades())
		}
	}
}

func (fw *firewall) otherChains(w *writer) {
	w.chain("raw_prerouting", hook("filter hook prerouting priority raw", "accept"))
	w.chain("raw_output", hook("filter hook output priority raw", "accept"))
	w.chain("mangle_prerouting", hook("filter hook prerouting priority mangle", "accept"))
	w.chain("mangle_postrouting", hook("filter hook postrouting priority mangle", "accept"), fw.mssFixes("oifname"))
	w.chain("mangle_input", hook("filter hook input priority mangle", "accept"))
	w.chain("mangle_output", hook("route hook output priority mangle", "accept"))
	w.chain("mangle_forward", hook("filter hook forward priority mangle", "accept"), fw.mssFixes("iifname"))
}

func hook(what, policy string) []string { return []string{"type " + what + "; policy " + policy + ";"} }

func all(*zone) bool { return true }

// jumps are those into the chains of the zones that want them.
func (fw *firewall) jumps(kind string, wants func(*zone) bool) []string {
	var rules []string
	for _, z := range fw.zones {
		if wants(z) {
			rules = append(rules, z.jumps(kind)...)
		}
	}
	return rules
}

func (fw *firewall) mssFixes(direction string) []string {
	var rules []string
	for _, z := range fw.zones {
		rules = append(rules, z.mssFixes(direction)...)
	}
	return rules
}

func (d defaults) flows(which string) []string {
	invalid := ""
	if d.dropInvalid {
		invalid = ", invalid : drop"
	}
	return []string{"ct state vmap { established : accept, related : accept" + invalid + ` } comment "!fw4: Handle ` + which + ` flows"`}
}

func (d defaults) synFloods() []string {
	if !d.synFlood {
		return nil
	}
	return []string{`tcp flags & (fin | syn | rst | ack) == syn jump syn_flood comment "!fw4: Rate limit TCP syn packets"`}
}

func rejecting(policy string) []string {
	if policy == "reject" {
		return []string{"jump handle_reject"}
	}
	return nil
}

func rejection(code string) string {
	if code == "tcp-reset" {
		return "tcp reset"
	}
	return "icmpx type " + code
}
