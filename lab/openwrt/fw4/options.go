// SPDX-License-Identifier: Apache-2.0

package fw4

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rhyzome/rhyzome/lab/openwrt/uci"
)

// options reads the options of a section. A bad value makes the whole section bad, as it does with fw4.
type options struct {
	*firewall
	section *uci.Section
	known   []string
	bad     bool
}

func (fw *firewall) options(s *uci.Section) *options { return &options{firewall: fw, section: s} }

// one returns the value of an option that must not be a list.
func (o *options) one(name, fallback string) string {
	o.known = append(o.known, name)
	opt := o.section.Option(name)
	switch {
	case opt == nil:
		return fallback
	case opt.List:
		o.fail("option '%s' must not be a list", name)
		return fallback
	}
	return opt.Values[0]
}

func (o *options) many(name string) []string {
	o.known = append(o.known, name)
	return o.section.Items(name)
}

func (o *options) fail(format string, args ...any) {
	o.bad = true
	o.warn(o.section, format, args...)
}

func (o *options) invalid(name, value string) {
	o.fail("option '%s' specifies invalid value '%s'", name, value)
}

// each parses the values of a list, up to the first that is not understood, which is a fault of the section.
func each[T any](o *options, name string, parse func(string) (T, bool)) []T {
	var all []T
	for _, value := range o.many(name) {
		v, ok := parse(value)
		if !ok {
			o.invalid(name, value)
			return nil
		}
		all = append(all, v)
	}
	return all
}

// only parses the value of an option; the second result reports whether it is set.
func only[T any](o *options, name string, parse func(string) (T, bool)) (T, bool) {
	var none T
	value := o.one(name, "")
	if value == "" {
		return none, false
	}
	v, ok := parse(value)
	if !ok {
		o.invalid(name, value)
		return none, false
	}
	return v, true
}

// choice returns the first of the choices that the value is the beginning of.
func (o *options) choice(name, fallback string, choices ...string) string {
	value := strings.ToLower(o.one(name, fallback))
	if value == "" {
		return ""
	}
	for _, c := range choices {
		if strings.HasPrefix(c, value) {
			return c
		}
	}
	o.invalid(name, value)
	return fallback
}

func (o *options) policy(name, fallback string) string {
	return o.choice(name, fallback, "accept", "reject", "drop")
}

func (o *options) bool(name string, fallback bool) bool {
	switch value := o.one(name, ""); value {
	case "":
		return fallback
	case "1", "on", "true", "yes":
		return true
	case "0", "off", "false", "no":
		return false
	default:
		o.invalid(name, value)
		return fallback
	}
}

func (o *options) family() family {
	switch value := o.one("family", ""); {
	case value == "":
		return unset
	case value == "any" || value == "all" || value == "*":
		return both
	case value == "inet" || strings.Contains(value, "4"):
		return ipv4
	case strings.Contains(value, "6"):
		return ipv6
	default:
		o.invalid("family", value)
		return unset
	}
}

func (o *options) subnets(name string) []subnet {
	var all []subnet
	for _, some := range each(o, name, func(v string) ([]subnet, bool) { return parseSubnets(v, o.networks) }) {
		all = append(all, some...)
	}
	return all
}

// zoneRef is a zone that a section names; any stands for '*'.
type zoneRef struct {
	any  bool
	zone *zone
}

func (o *options) zoneRef(name string) *zoneRef {
	ref, ok := only(o, name, func(v string) (*zoneRef, bool) {
		if v == "*" {
			return &zoneRef{any: true}, true
		}
		i := slices.IndexFunc(o.zones, func(z *zone) bool { return z.name == v })
		if i < 0 {
			return nil, false
		}
		return &zoneRef{zone: o.zones[i]}, true
	})
	if !ok {
		return nil
	}
	return ref
}

// protocols reads proto; "" stands for any. Names are not checked: nft does that.
func (o *options) protocols() []string {
	words := o.many("proto")
	if len(words) == 0 {
		words = []string{"tcpudp"}
	}
	var all []string
	for _, w := range words {
		switch w = strings.ToLower(w); w {
		case "all", "any", "*":
			all = append(all, "")
		case "1", "icmp":
			all = append(all, "icmp")
		case "58", "icmpv6", "ipv6-icmp":
			all = append(all, "ipv6-icmp")
		case "tcpudp":
			all = append(all, "tcp", "udp")
		case "6":
			all = append(all, "tcp")
		case "17":
			all = append(all, "udp")
		default:
			if strings.HasPrefix(w, "!") {
				o.refuse(o.section, "option 'proto' '%s'", w)
			}
			all = append(all, w)
		}
	}
	return all
}

var limitPattern = regexp.MustCompile(`^([0-9]+)(/([a-z]+))?$`)

// limit reads "1000/sec" and writes it as nft does.
func (o *options) limit(name, fallback string) string {
	value := o.one(name, fallback)
	if value == "" {
		return ""
	}
	m := limitPattern.FindStringSubmatch(value)
	if m == nil {
		o.invalid(name, value)
		return ""
	}
	for _, unit := range []string{"second", "minute", "hour", "day"} {
		if strings.HasPrefix(unit, m[3]) {
			return m[1] + "/" + unit
		}
	}
	o.invalid(name, value)
	return ""
}

func (o *options) number(name, fallback string) string {
	value := o.one(name, fallback)
	if _, err := strconv.Atoi(value); value != "" && err != nil {
		o.invalid(name, value)
		return ""
	}
	return value
}

// rest deals with the options that were not asked for: those that fw4 has and the stand-in has not are refused, those
// that fw4 does not know either are reported and ignored. It reports whether the section is good and enabled.
func (o *options) rest(missing ...string) bool {
	enabled := o.bool("enabled", true)
	for _, opt := range o.section.Options {
		switch {
		case slices.Contains(o.known, opt.Name):
		case slices.Contains(missing, opt.Name):
			o.refuse(o.section, "option '%s'", opt.Name)
		default:
			o.warn(o.section, "specifies unknown option '%s'", opt.Name)
		}
	}
	switch {
	case o.bad:
		o.warn(o.section, "skipped due to invalid options")
	case !enabled:
		o.warn(o.section, "is disabled, ignoring section")
	}
	return !o.bad && enabled
}

// warn notes what fw4 would print on stderr.
func (fw *firewall) warn(s *uci.Section, format string, args ...any) {
	id := fw.config.ID(s)
	if name := s.Get("name"); name != "" {
		id += " (" + name + ")"
	}
	fw.warnings = append(fw.warnings, "[!] Section "+id+" "+fmt.Sprintf(format, args...))
}

// refuse notes what fw4 can do and the stand-in cannot.
func (fw *firewall) refuse(s *uci.Section, format string, args ...any) {
	fw.refusals = append(fw.refusals, "section "+fw.config.ID(s)+": "+fmt.Sprintf(format, args...))
}
