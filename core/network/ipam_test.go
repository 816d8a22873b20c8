// SPDX-License-Identifier: Apache-2.0

package network

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func TestAssign(t *testing.T) {
	v4 := subnet(netip.MustParsePrefix("10.0.0.0/29"))
	v6 := subnet(netip.MustParsePrefix("fd00::/64"))
	wide := subnet(netip.MustParsePrefix("10.1.0.0/16"))
	for name, c := range map[string]struct {
		subnets []core.Subnet
		used    string
		want    string
	}{
		"first of both":        {[]core.Subnet{v4, v6}, "10.0.0.1 fd00::1", "10.0.0.2 fd00::10"},
		"lowest hole":          {[]core.Subnet{v4, v6}, "10.0.0.1 10.0.0.2 10.0.0.4 fd00::10 fd00::12", "10.0.0.3 fd00::11"},
		"last before full":     {[]core.Subnet{v4}, "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5", "10.0.0.6"},
		"same number":          {[]core.Subnet{wide, v6}, many("10.1.0.", 1, 31), "10.1.0.32 fd00::20"},
		"same number is taken": {[]core.Subnet{wide, v6}, many("10.1.0.", 1, 31) + " fd00::20", "10.1.0.32 fd00::10"},
		"beyond one byte":      {[]core.Subnet{wide}, many("10.1.0.", 1, 255), "10.1.1.0"},
		"full":                 {[]core.Subnet{v4, v6}, "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6", ""},
		"no subnets":           {nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := assign(c.subnets, strings.Fields(c.used))
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %v, %v; want %s", got, err, c.want)
			}
			if full := name == "full"; full != (fault.ReasonOf(err) == fault.SubnetFull) {
				t.Errorf("fault = %v", err)
			}
		})
	}
}

// many returns prefix+from to prefix+to.
func many(prefix string, from, to int) string {
	var all []string
	for i := from; i <= to; i++ {
		all = append(all, nth(netip.MustParsePrefix(prefix+"0/16"), uint64(i)).String())
	}
	return strings.Join(all, " ")
}

// Whatever was given and given back, an address is in its subnet, is nobody else's, and is no special one; and a
// subnet is full exactly when all its addresses are given.
func TestAssignNeverRepeats(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.IntRange(24, 29).Draw(t, "bits")
		p := netip.PrefixFrom(netip.MustParseAddr("10.7.0.0"), bits)
		sub := subnet(p)
		room := 1<<(32-bits) - 3
		broadcast := nth(p, 1<<(32-bits)-1).String()
		given := []string{}
		for range rapid.IntRange(1, 2*room).Draw(t, "steps") {
			if len(given) > 0 && rapid.Bool().Draw(t, "give back") {
				i := rapid.IntRange(0, len(given)-1).Draw(t, "which")
				given = slices.Delete(given, i, i+1)
				continue
			}
			got, err := assign([]core.Subnet{sub}, append(slices.Clone(given), sub.Gateway))
			if full := len(given) == room; full != (err != nil) {
				t.Fatalf("%d of %d given, %v", len(given), room, err)
			}
			if err != nil {
				continue
			}
			if a := got[0]; slices.Contains(given, a) || a == sub.Gateway || a == broadcast || a == p.Addr().String() || !p.Contains(netip.MustParseAddr(a)) {
				t.Fatalf("gave %s of %s, having given %v", a, p, given)
			}
			given = append(given, got[0])
		}
	})
}

func TestFreeRange(t *testing.T) {
	pool := netip.MustParsePrefix("10.128.0.0/9")
	for name, c := range map[string]struct {
		pool  string
		taken string
		want  string
	}{
		"empty":         {"10.128.0.0/9", "", "10.128.0.0/24"},
		"next":          {"10.128.0.0/9", "10.128.0.0/24", "10.128.1.0/24"},
		"hole":          {"10.128.0.0/9", "10.128.0.0/24 10.128.2.0/24", "10.128.1.0/24"},
		"part of one":   {"10.128.0.0/9", "10.128.0.128/29", "10.128.1.0/24"},
		"large one":     {"10.128.0.0/9", "10.128.0.0/16", "10.129.0.0/24"},
		"all around":    {"10.128.0.0/9", "10.0.0.0/8", ""},
		"of no concern": {"10.128.0.0/9", "192.168.0.0/16 fd00::/64", "10.128.0.0/24"},
		"v6":            {"fd00:1:2::/48", "fd00:1:2::/64", "fd00:1:2:1::/64"},
	} {
		t.Run(name, func(t *testing.T) {
			pool = netip.MustParsePrefix(c.pool)
			bits := 24
			if pool.Addr().Is6() {
				bits = 64
			}
			var taken []netip.Prefix
			for _, s := range strings.Fields(c.taken) {
				taken = append(taken, netip.MustParsePrefix(s))
			}
			got, ok, err := freeRange(pool, bits, taken)
			if err != nil || ok != (c.want != "") || ok && got.String() != c.want {
				t.Errorf("got %s, %v, %v; want %s", got, ok, err, c.want)
			}
		})
	}
}
