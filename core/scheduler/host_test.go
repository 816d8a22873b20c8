// SPDX-License-Identifier: Apache-2.0

package scheduler_test

import (
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/scheduler"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

var ready = core.Provider{Status: core.ProviderStatus{State: core.ProviderReady, Capabilities: []string{"images"}}}

// host returns a ready host with 4 vcpus on fabric lab, changed by the functions.
func host(name string, change ...func(*scheduler.Host)) scheduler.Host {
	h := scheduler.Host{
		Host: core.Host{
			Meta: core.Meta{Name: name}, State: core.PlaceReady, Fabrics: []string{"lab"},
			Capacity: map[string]int64{"vcpus": 4, "memory_bytes": 100}, Allocated: map[string]int64{},
		},
		Provider: ready,
	}
	for _, c := range change {
		c(&h)
	}
	return h
}

func TestPickHost(t *testing.T) {
	cordoned := func(h *scheduler.Host) { h.Cordoned = true }
	gone := func(h *scheduler.Host) { h.State = core.PlaceUnreachable }
	wanted := func(h *scheduler.Host) { h.Provider.Drain = &core.Drain{} }
	draining := func(h *scheduler.Host) { h.Provider.Status.State = core.ProviderDraining }
	revoked := func(h *scheduler.Host) { h.Provider.Status.State = core.ProviderRevoked }
	elsewhere := func(h *scheduler.Host) { h.Fabrics = []string{"other"} }
	plain := func(h *scheduler.Host) { h.Provider.Status.Capabilities = nil }
	used := func(n int64) func(*scheduler.Host) { return func(h *scheduler.Host) { h.Allocated["vcpus"] = n } }
	siblings := func(n int) func(*scheduler.Host) { return func(h *scheduler.Host) { h.Siblings = n } }
	unlimited := func(h *scheduler.Host) { h.Capacity = map[string]int64{} }

	need := scheduler.InstanceNeed{
		Units: map[string]int64{"vcpus": 2, "memory_bytes": 50}, Fabrics: []string{"lab"}, Prefers: []string{"images"},
	}
	for name, c := range map[string]struct {
		hosts []scheduler.Host
		want  string // name of the host, or what the fault says
	}{
		"the only one":         {[]scheduler.Host{host("a")}, "a"},
		"fewest siblings":      {[]scheduler.Host{host("a", siblings(1)), host("b", used(2))}, "b"},
		"then least allocated": {[]scheduler.Host{host("a", used(1)), host("b")}, "b"},
		"then by name":         {[]scheduler.Host{host("b"), host("a")}, "a"},
		"just enough":          {[]scheduler.Host{host("a", used(2))}, "a"},
		"no limit reported":    {[]scheduler.Host{host("a", unlimited, used(99))}, "a"},
		"skips those that can't": {
			[]scheduler.Host{host("a", cordoned), host("b", gone), host("c", draining), host("d", elsewhere), host("f", used(3)), host("g", siblings(9))}, "g"},
		"none":          {nil, "there is no host yet"},
		"cordoned":      {[]scheduler.Host{host("a", cordoned)}, "a is cordoned"},
		"gone":          {[]scheduler.Host{host("a", gone), host("z", cordoned)}, "a is unreachable; z is cordoned"},
		"to be drained": {[]scheduler.Host{host("a", wanted), host("z", cordoned)}, "a has a provider that is to be drained"},
		"draining":      {[]scheduler.Host{host("a", draining), host("z", cordoned)}, "a has a provider that is draining"},
		"revoked":       {[]scheduler.Host{host("a", gone, revoked)}, "a is unreachable"},
		"none in reach, one waits": {
			[]scheduler.Host{host("a", gone, cordoned), host("b", gone, used(4)), host("c", draining), host("d", gone, siblings(1))}, "c"},
		"none in reach, none would do": {
			[]scheduler.Host{host("a", gone, cordoned), host("b", gone, used(4))}, "a is cordoned; b has 0 of 4 vcpus free"},
		"elsewhere":                       {[]scheduler.Host{host("a", elsewhere)}, `a does not list the fabric "lab", which a network of the instance is on`},
		"plain":                           {[]scheduler.Host{host("a", plain)}, "a"},
		"rather another than a plain one": {[]scheduler.Host{host("a", plain), host("b", siblings(9))}, "b"},
		"full":                            {[]scheduler.Host{host("a", used(3))}, "a has 1 of 4 vcpus free, 2 needed"},
		"overfull":                        {[]scheduler.Host{host("a", used(7))}, "a has 0 of 4 vcpus free, 2 needed"},
		"each has its reason": {
			[]scheduler.Host{host("a", cordoned), host("b", used(3))}, "a is cordoned; b has 1 of 4 vcpus free"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := scheduler.PickHost(c.hosts, need)
			if err == nil {
				if got.Name != c.want {
					t.Errorf("picked %s, want %s", got.Name, c.want)
				}
				return
			}
			if fault.ReasonOf(err) != fault.NoHost || !strings.Contains(err.Error(), c.want) {
				t.Errorf("fault %s: %v; want no_host saying %q", fault.ReasonOf(err), err, c.want)
			}
		})
	}
}
