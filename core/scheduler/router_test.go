// SPDX-License-Identifier: Apache-2.0

package scheduler_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/scheduler"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// router returns a ready router on fabric lab with an endpoint, changed by the functions.
func router(name string, change ...func(*scheduler.Router)) scheduler.Router {
	r := scheduler.Router{
		Router: core.Router{
			Meta: core.Meta{Name: name}, State: core.PlaceReady, Fabrics: []string{"lab"}, MaxNetworks: 3,
			Endpoint: &core.Endpoint{Host: "vpn.example", PortMin: 1, PortMax: 2},
		},
		Provider: ready,
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

func TestPickRouter(t *testing.T) {
	gone := func(r *scheduler.Router) { r.State = core.PlaceUnreachable }
	revoked := func(r *scheduler.Router) { r.Provider.Status.State = core.ProviderRevoked }
	elsewhere := func(r *scheduler.Router) { r.Fabrics = nil }
	closed := func(r *scheduler.Router) { r.Endpoint = nil }
	carries := func(n int) func(*scheduler.Router) { return func(r *scheduler.Router) { r.Networks = n } }
	uses := func(cidr string) func(*scheduler.Router) {
		return func(r *scheduler.Router) { r.Ranges = append(r.Ranges, netip.MustParsePrefix(cidr)) }
	}
	need := scheduler.NetworkNeed{
		Fabric: "lab", Endpoint: true,
		Ranges: []scheduler.Range{{Field: "/spec/ipv4_cidr", Prefix: netip.MustParsePrefix("10.1.0.0/16")}},
	}
	for name, c := range map[string]struct {
		routers []scheduler.Router
		want    string // name of the router, or what the fault says
		reason  fault.Reason
	}{
		"the only one":      {[]scheduler.Router{router("a")}, "a", ""},
		"fewest networks":   {[]scheduler.Router{router("a", carries(2)), router("b", carries(1))}, "b", ""},
		"then by name":      {[]scheduler.Router{router("b"), router("a")}, "a", ""},
		"other range":       {[]scheduler.Router{router("a", uses("10.2.0.0/16"), uses("fd00::/64"))}, "a", ""},
		"range free on one": {[]scheduler.Router{router("a", uses("10.1.2.0/24")), router("b", carries(2))}, "b", ""},
		"none":              {nil, "there is no router yet", fault.NoRouter},
		"gone":              {[]scheduler.Router{router("a", gone), router("b", elsewhere)}, "a is unreachable", fault.NoRouter},
		"revoked":           {[]scheduler.Router{router("a", gone, revoked)}, "a is unreachable", fault.NoRouter},
		"none in reach":     {[]scheduler.Router{router("a", gone, carries(3)), router("b", gone)}, "b", ""},
		"elsewhere":         {[]scheduler.Router{router("a", elsewhere)}, "a does not reach fabric lab", fault.NoRouter},
		"full":              {[]scheduler.Router{router("a", carries(3))}, "a carries 3 networks", fault.NoRouter},
		"closed":            {[]scheduler.Router{router("a", closed)}, "a declares no public endpoint", fault.NoEndpoint},
		"range inside":      {[]scheduler.Router{router("a", uses("10.1.2.0/24"))}, "10.1.0.0/16 overlaps 10.1.2.0/24", fault.CIDROverlaps},
		"range around":      {[]scheduler.Router{router("a", uses("10.0.0.0/8"))}, "10.1.0.0/16 overlaps 10.0.0.0/8", fault.CIDROverlaps},
		"each has its reason": {
			[]scheduler.Router{router("a", gone), router("b", carries(3))}, "a is unreachable; b carries 3 networks", fault.NoRouter},
		"the most useful reason": {
			[]scheduler.Router{router("a", gone), router("b", closed), router("c", uses("10.1.0.0/16"))}, "on router c", fault.CIDROverlaps},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := scheduler.PickRouter(c.routers, need)
			if fault.ReasonOf(err) != c.reason {
				t.Fatalf("fault %q: %v, want %q", fault.ReasonOf(err), err, c.reason)
			}
			if err == nil && got.Name != c.want {
				t.Errorf("picked %s, want %s", got.Name, c.want)
			}
			if err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("fault %v does not say %q", err, c.want)
			}
			if f := fault.Of(err); c.reason == fault.CIDROverlaps && (len(f.Fields) != 1 || f.Fields[0].Field != "/spec/ipv4_cidr") {
				t.Errorf("fields = %v", f.Fields)
			}
		})
	}
}
