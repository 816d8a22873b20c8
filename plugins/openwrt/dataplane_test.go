// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rhyzome/rhyzome/conformance"
	lab "github.com/rhyzome/rhyzome/lab/machine"
)

// TestDataplane proves with packets what networks are, on real services.
func TestDataplane(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	params := s.places()
	before := s.traces()
	conformance.TestProfile(t, conformance.Dataplane, s.child, params)
	if diff := cmp.Diff(before, s.traces()); diff != "" {
		t.Errorf("something is left:\n%s", diff)
	}
}

// TestDataplaneCatchesLiars runs providers that say that all is well and are wrong: packets tell. They share two sites,
// one after the other on each.
func TestDataplaneCatchesLiars(t *testing.T) {
	t.Parallel()
	type liar struct{ lie, caught string }
	sites := [2][]liar{}
	n := 0
	for _, c := range conformance.Cases() {
		if c.Profile != conformance.Dataplane {
			continue
		}
		if !slices.Equal(c.Catches, lies[c.ID]) {
			t.Errorf("%s says that it catches %q; the liars that name it are %q", c.ID, c.Catches, lies[c.ID])
		}
		for _, lie := range c.Catches {
			sites[n%2] = append(sites[n%2], liar{lie, c.ID})
			n++
		}
	}
	for i, liars := range sites {
		t.Run(fmt.Sprintf("site %d", i), func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			params := s.places()
			params.Dataplane.Patience = 5 * time.Second
			for _, l := range liars {
				t.Run(l.lie, func(t *testing.T) {
					if got := s.in(t).judged(params, l.caught, l.lie); got.Outcome != conformance.Fail {
						t.Errorf("%s did not catch it: %+v", l.caught, got)
					} else {
						t.Log(got.Detail)
					}
				})
			}
			if i == 0 {
				if got := s.judged(params, "DATA-FORWARD-001", "forwards as it says"); got.Outcome != conformance.Pass {
					t.Errorf("the forwarder that does not lie: %+v", got)
				}
			}
		})
	}
}

// judged runs one case on a liar, and removes by honest means what the liar leaves.
func (s *site) judged(params conformance.Params, id, lie string) conformance.Result {
	s.t.Helper()
	liar := &conformance.Child{Path: s.child.Path, Args: append(slices.Clone(s.child.Args), lie), AutoMTLS: true, Stderr: s.child.Stderr}
	report, err := conformance.Runner{
		Target: liar, Params: params, Profile: conformance.Dataplane, Focus: regexp.MustCompile("^" + id + "$"),
	}.Run(s.t.Context())
	if err := errors.Join(err, liar.Close()); err != nil {
		s.t.Fatal(err)
	}
	s.run(s.router, `rm -f /tmp/dnsmasq.*/liar.conf; /etc/init.d/dnsmasq restart; /etc/init.d/firewall reload
		nft delete table ip forwarder 2>/dev/null || true`)
	if _, err := (conformance.Runner{Target: s.child, Params: params}).Sweep(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	if got := report.Results[0]; !strings.HasPrefix(got.Detail, "apply of") {
		return got
	}
	s.t.Fatalf("the liar could not do what it says: %s", report.Results[0].Detail)
	return conformance.Result{}
}

const (
	segmentA = 131
	segmentB = 132
)

// places plugs three guests into the trunk, and says where the suite finds them and the laptop, which is the outside.
func (s *site) places() conformance.Params {
	s.t.Helper()
	plug := func(name string, segment int) conformance.Place {
		s.run(s.guests, fmt.Sprintf(`ovs-vsctl add-port br %[1]s tag=%[2]d -- set interface %[1]s type=internal
			ip netns add %[1]s && ip link set %[1]s netns %[1]s && ip -n %[1]s link set lo up`, name, segment))
		return conformance.Place{Interface: name, Command: probeAt(s.t, s.guests, "ip", "netns", "exec", name)}
	}
	d := conformance.DataplaneParams{
		SegmentA: segmentA, SegmentB: segmentB, Router: netip.MustParseAddr(routerAddress),
		GuestA1: plug("a1", segmentA), GuestA2: plug("a2", segmentA), GuestB: plug("b1", segmentB),
		Outside: conformance.Place{Interface: "eth0", Address: netip.MustParseAddr(laptopAddress), Command: probeAt(s.t, s.laptop)},
	}
	return conformance.Params{Config: siteConfig(), Timeout: 2 * time.Minute, Dataplane: d}
}

// probeAt is the command that runs this program as a probe on a machine.
func probeAt(t *testing.T, m *lab.Machine, command ...string) []string {
	t.Helper()
	command = append(command, lab.Executable, "probe")
	return m.Command(t.Context(), command[0], command[1:]...).Args
}

func siteConfig() map[string]any {
	return map[string]any{
		"fabrics":  map[string]any{"lab": map[string]any{"trunk": "eth2"}},
		"endpoint": map[string]any{"host": routerAddress, "port_min": 51820, "port_max": 51999},
	}
}
