// SPDX-License-Identifier: Apache-2.0

package fw4

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// family is of addresses: IPv4, IPv6, both, or not said.
type family int

const (
	unset family = -1
	both  family = 0
	ipv4  family = 4
	ipv6  family = 6
)

func familyOf(p netip.Prefix) family {
	if p.Addr().Is4() {
		return ipv4
	}
	return ipv6
}

// either reports that nothing restricts the family.
func (f family) either() bool { return f == both || f == unset }

// address is how rules name the family: "ip" or "ip6".
func (f family) address() string {
	if f == ipv6 {
		return "ip6"
	}
	return "ip"
}

// match is the condition on the family; empty for both.
func (f family) match() string {
	switch f {
	case ipv4:
		return "meta nfproto ipv4 "
	case ipv6:
		return "meta nfproto ipv6 "
	}
	return ""
}

// title is how comments name the family.
func (f family) title() string {
	switch f {
	case ipv4:
		return "IPv4"
	case ipv6:
		return "IPv6"
	}
	return "IPv4/IPv6"
}

// subnet is an address range in a rule, or the exclusion of one.
type subnet struct {
	netip.Prefix
	invert bool
}

// String writes a host without its length, and a range by its first address.
func (s subnet) String() string {
	if s.IsSingleIP() {
		return s.Addr().String()
	}
	return s.Masked().String()
}

// of returns the subnets of a family.
func of(f family, all []subnet) []subnet {
	var some []subnet
	for _, s := range all {
		if familyOf(s.Prefix) == f {
			some = append(some, s)
		}
	}
	return some
}

// onlyFamily returns the one family that all subnets are of; both if there is none or they differ.
func onlyFamily(all []subnet) family {
	n4, n6 := len(of(ipv4, all)), len(of(ipv6, all))
	switch {
	case n4 > 0 && n6 == 0:
		return ipv4
	case n6 > 0 && n4 == 0:
		return ipv6
	}
	return both
}

// parseSubnets reads one value of src_ip or dest_ip: an address, a prefix, or the name of a network, which stands for the
// addresses that it has now.
func parseSubnets(value string, networks Networks) ([]subnet, bool) {
	text, invert := cutNot(value)
	if a, err := netip.ParseAddr(text); err == nil {
		return []subnet{{netip.PrefixFrom(a, a.BitLen()), invert}}, true
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		return []subnet{{p, invert}}, true
	}
	if p, ok := parseNetmask(text); ok {
		return []subnet{{p, invert}}, true
	}
	network, ok := networks[text]
	if !ok {
		return nil, false
	}
	var all []subnet
	for _, p := range network.Addresses {
		all = append(all, subnet{p, invert})
	}
	return all, true
}

// parseNetmask reads "10.0.0.0/255.0.0.0".
func parseNetmask(text string) (netip.Prefix, bool) {
	addr, mask, _ := strings.Cut(text, "/")
	a, err := netip.ParseAddr(addr)
	m, err2 := netip.ParseAddr(mask)
	if err != nil || err2 != nil || a.BitLen() != m.BitLen() {
		return netip.Prefix{}, false
	}
	for bits := range a.BitLen() + 1 {
		p := netip.PrefixFrom(allOnes(a), bits).Masked()
		if p.Addr() == m {
			return netip.PrefixFrom(a, bits), true
		}
	}
	return netip.Prefix{}, false
}

func allOnes(like netip.Addr) netip.Addr {
	b := like.AsSlice()
	for i := range b {
		b[i] = 0xff
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func cutNot(value string) (string, bool) {
	text := strings.TrimSpace(value)
	rest, invert := strings.CutPrefix(text, "!")
	return strings.TrimSpace(rest), invert
}

// port is a port or a range of ports, or the exclusion of one.
type port struct {
	min, max int
	invert   bool
}

func (p port) String() string {
	if p.min == p.max {
		return strconv.Itoa(p.min)
	}
	return strconv.Itoa(p.min) + "-" + strconv.Itoa(p.max)
}

var portPattern = regexp.MustCompile(`^([0-9]{1,5})([-:]([0-9]{1,5}))?$`)

func parsePort(value string) (port, bool) {
	text, invert := cutNot(value)
	m := portPattern.FindStringSubmatch(text)
	if m == nil {
		return port{}, false
	}
	low, _ := strconv.Atoi(m[1])
	high := low
	if m[3] != "" {
		high, _ = strconv.Atoi(m[3])
	}
	return port{low, high, invert}, low <= high && high <= 65535
}

var plain = regexp.MustCompile(`^([0-9A-Fa-f:./-]+)( \. [0-9A-Fa-f:./-]+)*$`)

// quote puts a word in quotes unless it is an address, a number or the like.
func quote(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `'`) + `"`
}

// set writes the right side of a match: one word, or several in braces.
func set(words []string) string {
	if unique := distinct(words); len(unique) == 1 {
		return quote(unique[0])
	}
	return braces(words)
}

func braces(words []string) string {
	var quoted []string
	for _, w := range distinct(words) {
		quoted = append(quoted, quote(w))
	}
	return "{ " + strings.Join(quoted, ", ") + " }"
}

func distinct(words []string) []string {
	seen := map[string]bool{}
	var unique []string
	for _, w := range words {
		if !seen[w] {
			unique = append(unique, w)
		}
		seen[w] = true
	}
	return unique
}
