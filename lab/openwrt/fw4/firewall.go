// SPDX-License-Identifier: Apache-2.0

package fw4

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/rhyzome/rhyzome/lab/openwrt/uci"
)

// ErrNotSupported says that the configuration asks for what the real fw4 can do and the stand-in cannot.
var ErrNotSupported = errors.New("not supported by the stand-in")

// Networks are the interfaces of netifd, by their names in /etc/config/network.
type Networks map[string]Network

// Network is what fw4 asks of one.
type Network struct {
	Device    string
	Addresses []netip.Prefix
}

// Ruleset is what a configuration means.
type Ruleset struct {
	Text     string   // for nft -f
	Warnings []string // for stderr
	Zones    []Zone
}

// Zone is what is remembered of a zone for look-ups.
type Zone struct {
	Name     string   `json:"name"`
	Networks []string `json:"networks"`
	Devices  []string `json:"devices"`
}

// firewall is a configuration while it is read.
type firewall struct {
	config   *uci.Package
	networks Networks

	defaults  defaults
	zones     []*zone
	rules     map[string][]string // by chain
	redirects map[string][]string
	warnings  []string
	refusals  []string
}

// Render reads a configuration and writes the ruleset. The order of reading is fw4's; it decides the order of rules.
func Render(config *uci.Package, networks Networks) (Ruleset, error) {
	fw := &firewall{config: config, networks: networks, rules: map[string][]string{}, redirects: map[string][]string{}}
	for _, kind := range []string{"ipset", "nat", "include"} {
		for _, s := range config.Type(kind) {
			fw.refuse(s, "config %s", kind)
		}
	}
	fw.readDefaults()
	for _, s := range config.Type("zone") {
		fw.readZone(s)
	}
	for _, s := range config.Type("rule") {
		fw.readRule(s)
	}
	for _, s := range config.Type("forwarding") {
		fw.readForwarding(s)
	}
	for _, s := range config.Type("redirect") {
		fw.readRedirect(s)
	}
	if len(fw.refusals) > 0 {
		return Ruleset{Warnings: fw.warnings}, fmt.Errorf("%w: %s", ErrNotSupported, strings.Join(fw.refusals, "; "))
	}
	result := Ruleset{Text: fw.text(), Warnings: fw.warnings}
	for _, z := range fw.zones {
		result.Zones = append(result.Zones, Zone{Name: z.name, Networks: z.networks, Devices: z.devices})
	}
	return result, nil
}

// defaults are those of the first `config defaults`.
type defaults struct {
	input, output, forward       string
	dropInvalid, synFlood        bool
	synRate, synBurst            string
	tcpRejectCode, anyRejectCode string
}

func (fw *firewall) readDefaults() {
	sections := fw.config.Type("defaults")
	if len(sections) == 0 {
		sections = []*uci.Section{{Type: "defaults", Name: "defaults"}}
	}
	for _, s := range sections[1:] {
		fw.warn(s, ": ignoring duplicate defaults section")
	}
	o := fw.options(sections[0])
	codes := []string{"tcp-reset", "port-unreachable", "admin-prohibited", "host-unreachable", "no-route"}
	fw.defaults = defaults{
		input: o.policy("input", "drop"), output: o.policy("output", "drop"), forward: o.policy("forward", "drop"),
		dropInvalid:   o.bool("drop_invalid", false),
		synFlood:      o.bool("synflood_protect", o.bool("syn_flood", false)),
		synRate:       o.limit("synflood_rate", "25/second"),
		synBurst:      o.number("synflood_burst", "50"),
		tcpRejectCode: o.choice("tcp_reject_code", "tcp-reset", codes...),
		anyRejectCode: o.choice("any_reject_code", "port-unreachable", codes...),
	}
	for _, harmless := range []string{"tcp_syncookies", "tcp_ecn", "tcp_window_scaling", "accept_redirects", "accept_source_route", "auto_includes"} {
		o.one(harmless, "")
	}
	o.rest("auto_helper", "flow_offloading", "flow_offloading_hw", "disable_ipv6", "custom_chains")
}

// base is the policy of a base chain, which cannot reject by itself.
func base(policy string) string {
	if policy == "reject" {
		return "drop"
	}
	return policy
}
