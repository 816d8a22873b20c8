// SPDX-License-Identifier: Apache-2.0

package network

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"go4.org/netipx"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// The first host numbers that are given out. Number 1 is the gateway.
const (
	firstHostV4 = 2
	firstHostV6 = 0x10
)

// assign gives one address of each subnet: in v4 the lowest that is free, in v6 the one with the same host number if
// that is free and not below firstHostV6, else the lowest. SubnetFull if a subnet has none.
func assign(subnets []core.Subnet, used []string) ([]string, error) {
	taken := map[netip.Addr]bool{}
	for _, u := range used {
		a, err := netip.ParseAddr(u)
		if err != nil {
			return nil, fmt.Errorf("address in the store: %w", err)
		}
		taken[a] = true
	}
	given := []string{}
	var host uint64
	for _, s := range subnets {
		p, err := netip.ParsePrefix(s.CIDR)
		if err != nil {
			return nil, fmt.Errorf("subnet in the store: %w", err)
		}
		n, ok := freeHost(p, host, taken)
		if !ok {
			return nil, fault.New(fault.SubnetFull, "every address of %s is taken", p)
		}
		host = n
		given = append(given, nth(p, n).String())
	}
	return given, nil
}

// freeHost returns a host number of p whose address is not taken.
func freeHost(p netip.Prefix, wanted uint64, taken map[netip.Addr]bool) (uint64, bool) {
	first, last := uint64(firstHostV6), uint64(1)<<32
	if p.Addr().Is4() {
		first, last = firstHostV4, uint64(1)<<(32-p.Bits())-2
	} else if wanted >= first && !taken[nth(p, wanted)] {
		return wanted, true
	}
	for n := first; n <= last; n++ {
		if !taken[nth(p, n)] {
			return n, true
		}
	}
	return 0, false
}

// nth returns the address of p with a host number.
func nth(p netip.Prefix, n uint64) netip.Addr {
	if p.Addr().Is4() {
		b := p.Masked().Addr().As4()
		binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+uint32(n))
		return netip.AddrFrom4(b)
	}
	b := p.Masked().Addr().As16()
	binary.BigEndian.PutUint64(b[8:], binary.BigEndian.Uint64(b[8:])+n)
	return netip.AddrFrom16(b)
}

// freeRange returns the first range of a size in a pool that overlaps none of those taken.
func freeRange(pool netip.Prefix, bits int, taken []netip.Prefix) (netip.Prefix, bool, error) {
	var b netipx.IPSetBuilder
	b.AddPrefix(pool)
	for _, t := range taken {
		b.RemovePrefix(t)
	}
	free, err := b.IPSet()
	if err != nil {
		return netip.Prefix{}, false, fmt.Errorf("free ranges of %s: %w", pool, err)
	}
	for _, p := range free.Prefixes() {
		if p.Bits() <= bits {
			return netip.PrefixFrom(p.Addr(), bits), true, nil
		}
	}
	return netip.Prefix{}, false, nil
}

// subnet returns a range with its gateway, the first address.
func subnet(p netip.Prefix) core.Subnet {
	return core.Subnet{CIDR: p.String(), Gateway: nth(p, 1).String()}
}
