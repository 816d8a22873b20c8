// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// netInterface is what netifd says about one interface (ubus call network.interface dump).
type netInterface struct {
	Name       string       `json:"interface"`
	Up         bool         `json:"up"`
	Device     string       `json:"l3_device"`
	IPv4       []netAddress `json:"ipv4-address"`
	IPv6       []netAddress `json:"ipv6-address"`
	Prefixes   []netAddress `json:"ipv6-prefix"`
	Routes     []netRoute   `json:"route"`
	Errors     []netError   `json:"errors"`
	Assignment []struct {
		Local netAddress `json:"local-address"`
	} `json:"ipv6-prefix-assignment"`
}

type netAddress struct {
	Address string `json:"address"`
	Mask    int    `json:"mask"`
}

type netRoute struct {
	Target string `json:"target"`
	Mask   int    `json:"mask"`
}

type netError struct {
	Subsystem string `json:"subsystem"`
	Code      string `json:"code"`
}

// prefix returns the address with its length; the zero prefix for what cannot be read.
func (a netAddress) prefix() netip.Prefix {
	addr, err := netip.ParseAddr(a.Address)
	if err != nil {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(addr, a.Mask)
}

// addresses returns the interface's addresses, with the lengths of their prefixes.
func (i netInterface) addresses() []netip.Prefix {
	var all []netip.Prefix
	for _, a := range slices.Concat(i.IPv4, i.IPv6) {
		all = append(all, a.prefix())
	}
	for _, a := range i.Assignment {
		all = append(all, a.Local.prefix())
	}
	return slices.DeleteFunc(all, func(p netip.Prefix) bool { return !p.IsValid() })
}

// routes returns where the interface leads, the default routes apart.
func (i netInterface) routes() []netip.Prefix {
	var all []netip.Prefix
	for _, r := range i.Routes {
		if p := (netAddress{Address: r.Target, Mask: r.Mask}).prefix(); p.IsValid() && p.Bits() > 0 {
			all = append(all, p)
		}
	}
	return all
}

// trouble tells what netifd complains about.
func (i netInterface) trouble() string {
	if len(i.Errors) == 0 {
		return "it is down"
	}
	var all []string
	for _, e := range i.Errors {
		all = append(all, words(e.Code))
	}
	return strings.Join(all, ", ")
}

// interfaces asks netifd for everything it runs. Its exit code says nothing about configuration: only what is up, with
// which addresses, does.
func (r *router) interfaces(ctx context.Context) (map[string]netInterface, error) {
	out, err := r.run.Run(ctx, ubusTimeout, "ubus", "call", "network.interface", "dump")
	if err != nil {
		return nil, err
	}
	var dump struct {
		Interface []netInterface `json:"interface"`
	}
	if err := json.Unmarshal(out, &dump); err != nil {
		return nil, described(fault.BackendDown, err, "netifd's answer cannot be read")
	}
	all := map[string]netInterface{}
	for _, i := range dump.Interface {
		all[i.Name] = i
	}
	return all, nil
}
