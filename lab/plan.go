// SPDX-License-Identifier: Apache-2.0

package lab

import "net/netip"

// The machines of the lab. Segments are machines too.
const (
	coreName   = "core"
	hv1Name    = "hv1"
	hv2Name    = "hv2"
	routerName = "router"
	natName    = "nat"
	laptopName = "laptop"

	trunkName = "trunk" // carries the VLANs between hypervisors and router
	wanName   = "wan"   // the internet: core, NAT, laptop
	mgmtName  = "mgmt"  // core and hypervisors; tenants have no business here
	homeName  = "home"  // between NAT and router
)

// The address plan: 198.18.0.0/15 (RFC 2544) and fd00:7268::/32. The tenants' ranges are chosen by the core.
var (
	coreOnWAN   = both("198.18.0.2/24", "fd00:7268::2/64")
	natOnWAN    = both("198.18.0.1/24", "fd00:7268::1/64")
	laptopOnWAN = both("198.18.0.100/24", "fd00:7268::100/64")

	coreOnMgmt = both("198.18.1.2/24", "fd00:7268:0:1::2/64")
	hv1OnMgmt  = both("198.18.1.11/24", "fd00:7268:0:1::11/64")
	hv2OnMgmt  = both("198.18.1.12/24", "fd00:7268:0:1::12/64")

	natOnHome    = both("198.18.2.1/24", "fd00:7268:0:2::1/64")
	routerOnHome = both("198.18.2.2/24", "fd00:7268:0:2::2/64")
)

// WireGuard ports on the router, and where the NAT makes them reachable.
const (
	wireGuardPortMin = 51820
	wireGuardPortMax = 51829
)

const attachPort = "7443"

// What else lies in the lab's directory, beside the machines.
const (
	lockFile = "rhyzome-lab.lock" // it also says that the directory is a lab's
	guestDir = "guest"
)

// coreService is the core's process in its machine, and the name of its log.
const coreService = "rhyzome"

func both(v4, v6 string) []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix(v4), netip.MustParsePrefix(v6)}
}

// plain are the addresses without their prefix lengths.
func plain(prefixes []netip.Prefix) (all []string) {
	for _, p := range prefixes {
		all = append(all, p.Addr().String())
	}
	return all
}
