// SPDX-License-Identifier: Apache-2.0

package netifd

import (
	"net/netip"
	"time"
)

// status is an interface in `ubus call network.interface dump`. Addresses and the like are shown of one that is up.
type status struct {
	Interface string `json:"interface,omitempty"`
	Up        bool   `json:"up"`
	Pending   bool   `json:"pending"`
	Available bool   `json:"available"`
	Autostart bool   `json:"autostart"`
	Dynamic   bool   `json:"dynamic"`
	Uptime    *int   `json:"uptime,omitempty"`
	L3Device  string `json:"l3_device,omitempty"`
	Proto     string `json:"proto"`
	Device    string `json:"device,omitempty"`
	*UpStatus
	Data   struct{}      `json:"data"`
	Errors []statusError `json:"errors,omitempty"`
}

// UpStatus is exported for encoding/json, which cannot make an embedded pointer to an unexported type.
type UpStatus struct {
	Updated    []string  `json:"updated"`
	Metric     int       `json:"metric"`
	DNSMetric  int       `json:"dns_metric"`
	Delegation bool      `json:"delegation"`
	IPv4       []address `json:"ipv4-address"`
	IPv6       []address `json:"ipv6-address"`
	Prefix     []string  `json:"ipv6-prefix"`
	Assignment []string  `json:"ipv6-prefix-assignment"`
	Route      []route   `json:"route"`
	DNSServer  []string  `json:"dns-server"`
	DNSSearch  []string  `json:"dns-search"`
	Neighbors  []string  `json:"neighbors"`
	Inactive   inactive  `json:"inactive"`
}

type inactive struct {
	IPv4      []address `json:"ipv4-address"`
	IPv6      []address `json:"ipv6-address"`
	Route     []route   `json:"route"`
	DNSServer []string  `json:"dns-server"`
	DNSSearch []string  `json:"dns-search"`
	Neighbors []string  `json:"neighbors"`
}

type address struct {
	Address netip.Addr `json:"address"`
	Mask    int        `json:"mask"`
}

type route struct {
	Target  netip.Addr `json:"target"`
	Mask    int        `json:"mask"`
	Nexthop netip.Addr `json:"nexthop"`
	Source  string     `json:"source"`
}

// statusError says why an interface is not up.
type statusError struct {
	Subsystem string   `json:"subsystem"`
	Code      string   `json:"code"`
	Data      []string `json:"data,omitempty"`
}

// status describes the interface; the caller holds the daemon's lock.
func (i *iface) status() status {
	s := status{
		Up: i.state == stateUp, Pending: i.state == stateSetup, Available: i.available, Autostart: i.autostart,
		Proto: i.shownProto(), Errors: i.errors,
	}
	if i.config.proto != "wireguard" { // which has no device under it
		s.Device = i.config.device
	}
	if i.state != stateUp {
		return s
	}
	uptime := int(time.Since(i.since).Seconds())
	s.Uptime, s.L3Device = &uptime, i.l3
	s.UpStatus = &UpStatus{
		Updated: []string{"addresses"}, Delegation: true, IPv4: []address{}, IPv6: []address{},
		Prefix: []string{}, Assignment: []string{}, Route: []route{}, DNSServer: append([]string{}, i.dns...),
		DNSSearch: []string{}, Neighbors: []string{},
		Inactive: inactive{[]address{}, []address{}, []route{}, []string{}, []string{}, []string{}},
	}
	for _, p := range i.addresses {
		if p.Addr().Is4() {
			s.IPv4 = append(s.IPv4, address{p.Addr(), p.Bits()})
		} else {
			s.IPv6 = append(s.IPv6, address{p.Addr(), p.Bits()})
		}
	}
	for _, r := range i.routes {
		s.Route = append(s.Route, route{r.target.Addr(), r.target.Bits(), r.gateway, "0.0.0.0/0"})
	}
	return s
}

// shownProto is "none" for a protocol that is not known.
func (i *iface) shownProto() string {
	if i.config.known() {
		return i.config.proto
	}
	return "none"
}

func (c interfaceConfig) known() bool { return c.proto == "none" || declared[c.proto] != nil }
