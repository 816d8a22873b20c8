// SPDX-License-Identifier: Apache-2.0

package netifd

import (
	"context"
	"net/netip"

	"github.com/rhyzome/rhyzome/lab/openwrt/ubus"
)

// Interface is what other programs of the router ask of an interface.
type Interface struct {
	Name      string
	Up        bool
	Proto     string
	Device    string // the one with the addresses; of an interface that is down, the one that it is to have
	Addresses []netip.Prefix
}

// Dump asks the daemon for its interfaces.
func Dump(ctx context.Context) ([]Interface, error) {
	var dump struct {
		Interface []status `json:"interface"`
	}
	if err := ubus.Call(ctx, "network.interface", "dump", struct{}{}, &dump); err != nil {
		return nil, err
	}
	var all []Interface
	for _, s := range dump.Interface {
		i := Interface{Name: s.Interface, Up: s.Up, Proto: s.Proto, Device: s.L3Device}
		if i.Device == "" {
			i.Device = s.Device
		}
		if s.UpStatus != nil {
			for _, a := range append(s.IPv4, s.IPv6...) {
				i.Addresses = append(i.Addresses, netip.PrefixFrom(a.Address, a.Mask))
			}
		}
		all = append(all, i)
	}
	return all, nil
}
