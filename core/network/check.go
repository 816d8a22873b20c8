// SPDX-License-Identifier: Apache-2.0

package network

import (
	"net/netip"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/scheduler"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Pointers of the fields that hold ranges.
const (
	fieldIPv4 = "/spec/ipv4_cidr"
	fieldIPv6 = "/spec/ipv6_cidr"
)

// asked is a network's spec with its defaults, and its ranges: not valid if the core is to choose.
type asked struct {
	core.NetworkSpec
	v4, v6 netip.Prefix
}

// check reads a create request and tells everything that is wrong with it.
func check(req core.New, spec core.NetworkSpec) (asked, []*fault.Error) {
	a := asked{NetworkSpec: spec}
	faults := req.Check()
	switch spec.Egress {
	case "":
		a.Egress = "nat"
	case "nat", "none":
	default:
		faults = append(faults, fault.Invalid("/spec/egress", "%q is not a kind of egress; use nat or none", spec.Egress))
	}
	var bad *fault.Error
	if spec.IPv4CIDR != "" {
		a.v4, bad = checkIPv4(spec.IPv4CIDR)
		faults = append(faults, bad)
	}
	if spec.IPv6CIDR != "" {
		a.v6, bad = checkIPv6(spec.IPv6CIDR)
		faults = append(faults, bad)
	}
	return a, faults
}

func checkIPv4(cidr string) (netip.Prefix, *fault.Error) {
	p, err := netip.ParsePrefix(cidr)
	switch {
	case err != nil || !p.Addr().Is4():
		return p, fault.Invalid(fieldIPv4, "%q is not an IPv4 range; use one such as 10.20.0.0/24", cidr)
	case p.Bits() < 16 || p.Bits() > 29:
		return p, fault.Invalid(fieldIPv4, "/%d is not a size that a network can have; use /16 to /29", p.Bits())
	case p.Masked() != p:
		return p, fault.Invalid(fieldIPv4, "%s has host bits set; use %s", p, p.Masked())
	case !p.Addr().IsPrivate():
		return p, fault.Invalid(fieldIPv4, "%s is not private; use a range inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16", p)
	}
	return p, nil
}

func checkIPv6(cidr string) (netip.Prefix, *fault.Error) {
	p, err := netip.ParsePrefix(cidr)
	switch {
	case err != nil || !p.Addr().Is6() || p.Addr().Is4In6():
		return p, fault.Invalid(fieldIPv6, "%q is not an IPv6 range; use one such as fd12:3456:789a:1::/64", cidr)
	case p.Bits() != 64:
		return p, fault.Invalid(fieldIPv6, "/%d is not a size that a network can have; use /64", p.Bits())
	case p.Masked() != p:
		return p, fault.Invalid(fieldIPv6, "%s has host bits set; use %s", p, p.Masked())
	case p.Addr().As16()[0] != 0xfd:
		return p, fault.Invalid(fieldIPv6, "%s is not a unique local range; use one inside fd00::/8", p)
	}
	return p, nil
}

// ranges returns what was asked for, with the fields that did.
func (a asked) ranges() []scheduler.Range {
	var all []scheduler.Range
	if a.v4.IsValid() {
		all = append(all, scheduler.Range{Field: fieldIPv4, Prefix: a.v4})
	}
	if a.v6.IsValid() {
		all = append(all, scheduler.Range{Field: fieldIPv6, Prefix: a.v6})
	}
	return all
}
