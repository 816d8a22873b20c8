// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/sdk/engine"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

const dataplane = `
dataplane:
  segment_a: 131
  segment_b: 132
  router: 203.0.113.2
  pause: 1s
  guest_a1: {command: [probe], interface: eth0}
  guest_a2: {command: [probe], interface: eth0}
  guest_b: {command: [ssh, guest, probe], interface: eth0}
  outside: {command: [probe], interface: eth0, address: 203.0.113.9}
`

// TestDataplaneNeedsPlaces refuses the profile where nobody says where packets come from, and probes that do not run.
func TestDataplaneNeedsPlaces(t *testing.T) {
	for want, d := range map[string]DataplaneParams{
		"needs the parameter dataplane": {},
		"dataplane.guest_a1":            {SegmentA: 1, SegmentB: 2, GuestA1: Place{Command: []string{"/nonexistent"}}},
	} {
		target := InProcess(func() provider.Provider { return memory.New(memory.NewBackend()) }, engine.Options{})
		_, err := Runner{Target: target, Profile: Dataplane, Params: Params{Dataplane: d}}.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("it must say %q: %v", want, err)
		}
		if err := target.Close(); err != nil {
			t.Error(err)
		}
	}
}
