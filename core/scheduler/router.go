// SPDX-License-Identifier: Apache-2.0

package scheduler

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Router is a router as the choice sees it.
type Router struct {
	core.Router
	Provider core.Provider
	Networks int            // that it carries
	Ranges   []netip.Prefix // every subnet of those, the peers' too
}

// NetworkNeed is what a network asks of its router.
type NetworkNeed struct {
	Fabric   string
	Endpoint bool    // WireGuard was asked for
	Ranges   []Range // asked for; what the core chooses never overlaps
}

// Range is one that was asked for, and the field of the request that did.
type Range struct {
	Field  string
	Prefix netip.Prefix
}

// PickRouter returns the router with the fewest networks that can take the network. If there is none it says what the
// caller can change: CIDROverlaps if another range would do, NoEndpoint if it would do without WireGuard, else
// NoRouter with the reason for each. Only if no router at all is within reach, one that is not is picked: the operation
// then waits for it.
func PickRouter(routers []Router, need NetworkNeed) (Router, error) {
	if len(routers) == 0 {
		return Router{}, fault.New(fault.NoRouter, "there is no router yet; attach a provider of the service network")
	}
	reached := slices.ContainsFunc(routers, func(r Router) bool { return away(r.State, r.Provider) == "" })
	var fit []Router
	var refused []*fault.Error
	for _, r := range routers {
		err := refuseRouter(r, need)
		if gone := away(r.State, r.Provider); gone != "" && (reached || revoked(r.Provider)) {
			err = fault.New(fault.NoRouter, "%s %s", r.Name, gone)
		}
		if err != nil {
			refused = append(refused, err)
		} else {
			fit = append(fit, r)
		}
	}
	if len(fit) == 0 {
		return Router{}, noRouter(refused)
	}
	return slices.MinFunc(fit, func(a, b Router) int {
		return cmp.Or(cmp.Compare(a.Networks, b.Networks), cmp.Compare(a.Name, b.Name))
	}), nil
}

// noRouter returns the refusal that the caller can do most about.
func noRouter(refused []*fault.Error) error {
	var why []string
	for _, reason := range []fault.Reason{fault.CIDROverlaps, fault.NoEndpoint} {
		for _, err := range refused {
			if err.Reason == reason {
				return err
			}
		}
	}
	for _, err := range refused {
		why = append(why, err.Message)
	}
	return fault.New(fault.NoRouter, "no router can take the network: %s", strings.Join(why, "; "))
}

// refuseRouter says why a router cannot take a network even when it is within reach, beginning with what the caller can do least about.
func refuseRouter(r Router, need NetworkNeed) *fault.Error {
	switch {
	case !slices.Contains(r.Fabrics, need.Fabric):
		return fault.New(fault.NoRouter, "%s does not reach fabric %s", r.Name, need.Fabric)
	case r.MaxNetworks > 0 && r.Networks >= r.MaxNetworks:
		return fault.New(fault.NoRouter, "%s carries %d networks, its limit", r.Name, r.Networks)
	case need.Endpoint && r.Endpoint == nil:
		return fault.New(fault.NoEndpoint, "router %s declares no public endpoint; set endpoint in its provider's configuration, or leave wireguard out", r.Name)
	}
	return overlap(r, need.Ranges)
}

// overlap names the first range in use that one of those asked for overlaps.
func overlap(r Router, asked []Range) *fault.Error {
	for _, a := range asked {
		for _, used := range r.Ranges {
			if a.Prefix.Overlaps(used) {
				return fault.New(fault.CIDROverlaps, "%s overlaps %s, which is in use on router %s; choose another range, or leave it out to get a free one", a.Prefix, used, r.Name).At(a.Field)
			}
		}
	}
	return nil
}
