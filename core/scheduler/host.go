// SPDX-License-Identifier: Apache-2.0

// Package scheduler chooses: a host for an instance, a router for a network. Its functions are pure; what they refuse,
// they give the reason for, place by place.
package scheduler

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Host is a host as the choice sees it.
type Host struct {
	core.Host
	Provider core.Provider
	Siblings int // instances of the same project on it
}

// InstanceNeed is what an instance asks of its host.
type InstanceNeed struct {
	Units   map[string]int64 // by unit of Host.Capacity
	Fabrics []string         // of its networks
	Prefers []string         // capabilities of the host's provider: one without them is the last choice
}

// PickHost returns the host with the fewest siblings, and of those the least allocated, that can take the instance, of
// those whose providers have what it prefers, if there are any;
// NoHost with the reason for each if there is none. Only if no host at all is within reach, one that is not is picked:
// the operation then waits for it.
func PickHost(hosts []Host, need InstanceNeed) (Host, error) {
	if len(hosts) == 0 {
		return Host{}, fault.New(fault.NoHost, "there is no host yet; attach a provider of the service compute")
	}
	reached := slices.ContainsFunc(hosts, func(h Host) bool { return away(h.State, h.Provider) == "" })
	var fit []Host
	var refused []string
	for _, h := range hosts {
		why := refuseHost(h, need)
		if gone := away(h.State, h.Provider); gone != "" && (reached || revoked(h.Provider)) {
			why = gone
		}
		if why != "" {
			refused = append(refused, h.Name+" "+why)
		} else {
			fit = append(fit, h)
		}
	}
	if len(fit) == 0 {
		return Host{}, fault.New(fault.NoHost, "no host can take the instance: %s", strings.Join(refused, "; "))
	}
	return slices.MinFunc(fit, func(a, b Host) int {
		return cmp.Or(
			cmp.Compare(lacks(a, need.Prefers), lacks(b, need.Prefers)),
			cmp.Compare(a.Siblings, b.Siblings),
			cmp.Compare(load(a.Host), load(b.Host)),
			cmp.Compare(a.Name, b.Name),
		)
	}), nil
}

// lacks counts the capabilities that a host's provider does not have.
func lacks(h Host, capabilities []string) (n int) {
	for _, c := range capabilities {
		if !slices.Contains(h.Provider.Status.Capabilities, c) {
			n++
		}
	}
	return n
}

// refuseHost says why a host cannot take an instance even when it is within reach, or nothing.
func refuseHost(h Host, need InstanceNeed) string {
	if h.Cordoned {
		return "is cordoned"
	}
	for _, f := range need.Fabrics {
		if !slices.Contains(h.Fabrics, f) {
			return fmt.Sprintf("does not list the fabric %q, which a network of the instance is on", f)
		}
	}
	for _, unit := range slices.Sorted(maps.Keys(need.Units)) {
		total, limited := h.Capacity[unit]
		if free := total - h.Allocated[unit]; limited && need.Units[unit] > free {
			return fmt.Sprintf("has %d of %d %s free, %d needed", max(free, 0), total, unit, need.Units[unit])
		}
	}
	return ""
}

// away says why a place takes nothing new now, or nothing.
func away(state string, p core.Provider) string {
	switch {
	case state != core.PlaceReady:
		return "is " + state
	case p.Drain != nil:
		return "has a provider that is to be drained"
	case p.Status.State != core.ProviderReady:
		return fmt.Sprintf("has a provider that is %s", p.Status.State)
	}
	return ""
}

func revoked(p core.Provider) bool { return p.Status.State == core.ProviderRevoked }

// load is the share of the unit that is allocated most.
func load(h core.Host) float64 {
	var most float64
	for unit, total := range h.Capacity {
		if total > 0 {
			most = max(most, float64(h.Allocated[unit])/float64(total))
		}
	}
	return most
}
