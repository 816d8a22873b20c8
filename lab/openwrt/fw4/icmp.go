// SPDX-License-Identifier: Apache-2.0

package fw4

import (
	"fmt"
	"regexp"
	"strconv"
)

// anyCode stands for every code of an ICMP type.
const anyCode = -1

// icmpMatch is a type, and a code of it or anyCode, in each family that has it.
type icmpMatch struct {
	v4, v6       bool
	type4, code4 int
	type6, code6 int
}

type typeAndCode struct{ kind, code int }

// The names of fw4 that are in use, with their numbers by RFC 792 and RFC 4443 and successors.
var icmp4 = map[string]typeAndCode{
	"echo-reply":              {0, anyCode},
	"pong":                    {0, anyCode},
	"destination-unreachable": {3, anyCode},
	"network-unreachable":     {3, 0},
	"host-unreachable":        {3, 1},
	"protocol-unreachable":    {3, 2},
	"port-unreachable":        {3, 3},
	"fragmentation-needed":    {3, 4},
	"redirect":                {5, anyCode},
	"echo-request":            {8, anyCode},
	"ping":                    {8, anyCode},
	"router-advertisement":    {9, anyCode},
	"router-solicitation":     {10, anyCode},
	"time-exceeded":           {11, anyCode},
	"parameter-problem":       {12, anyCode},
}

var icmp6 = map[string]typeAndCode{
	"destination-unreachable":      {1, anyCode},
	"packet-too-big":               {2, anyCode},
	"time-exceeded":                {3, anyCode},
	"parameter-problem":            {4, anyCode},
	"bad-header":                   {4, 0},
	"unknown-header-type":          {4, 1},
	"unknown-option":               {4, 2},
	"port-unreachable":             {1, 4},
	"echo-request":                 {128, anyCode},
	"ping":                         {128, anyCode},
	"echo-reply":                   {129, anyCode},
	"pong":                         {129, anyCode},
	"multicast-listener-query":     {130, anyCode},
	"multicast-listener-report":    {131, anyCode},
	"multicast-listener-done":      {132, anyCode},
	"router-solicitation":          {133, anyCode},
	"router-advertisement":         {134, anyCode},
	"neighbour-solicitation":       {135, anyCode},
	"neighbor-solicitation":        {135, anyCode},
	"neighbour-advertisement":      {136, anyCode},
	"neighbor-advertisement":       {136, anyCode},
	"redirect":                     {137, anyCode},
	"v2-multicast-listener-report": {143, anyCode},
}

var icmpPattern = regexp.MustCompile(`^([0-9]+)(/([0-9]+))?$`)

// parseICMP reads a name, a number, or "number/code". A number counts for both families.
func parseICMP(value string) (icmpMatch, bool) {
	t4, in4 := icmp4[value]
	t6, in6 := icmp6[value]
	if in4 || in6 {
		return icmpMatch{v4: in4, v6: in6, type4: t4.kind, code4: t4.code, type6: t6.kind, code6: t6.code}, true
	}
	m := icmpPattern.FindStringSubmatch(value)
	if m == nil {
		return icmpMatch{}, false
	}
	kind, err := strconv.ParseUint(m[1], 10, 8)
	code := anyCode
	if m[3] != "" && err == nil {
		var c uint64
		c, err = strconv.ParseUint(m[3], 10, 8)
		code = int(c)
	}
	return icmpMatch{true, true, int(kind), code, int(kind), code}, err == nil
}

// icmpMatches returns the conditions of one family: one on types alone, one on types with codes, as far as there are any.
// Like fw4, it judges by IPv4's codes whether a type goes without one; types that only IPv6 has go with code 0.
func icmpMatches(f family, all []icmpMatch) []string {
	var types, codes []string
	for _, m := range all {
		kind, code, has := m.type4, m.code4, m.v4
		if f == ipv6 {
			kind, code, has = m.type6, m.code6, m.v6
		}
		switch {
		case !has:
		case m.v4 && m.code4 == anyCode:
			types = append(types, strconv.Itoa(kind))
		default:
			codes = append(codes, fmt.Sprintf("%d . %d", kind, max(code, 0)))
		}
	}
	name := "icmp"
	if f == ipv6 {
		name = "icmpv6"
	}
	var matches []string
	if len(types) > 0 {
		matches = append(matches, name+" type "+set(types)+" ")
	}
	if len(codes) > 0 {
		matches = append(matches, name+" type . "+name+" code "+braces(codes)+" ")
	}
	return matches
}

// hasFamily reports whether any of the types exists in a family.
func hasFamily(f family, all []icmpMatch) bool { return len(icmpMatches(f, all)) > 0 }
