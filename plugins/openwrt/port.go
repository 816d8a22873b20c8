// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rhyzome/rhyzome/plugins/openwrt/uci"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Changes that cost one reload together. Those that make and those that remove are apart, because they end differently
// when they are broken off.
const (
	batchPorts   = "ports"
	batchRemoved = "removed ports"
)

// ApplyPort implements provider.Ports.
func (p *Provider) ApplyPort(ctx context.Context, spec provider.PortSpec, progress provider.Progress) (provider.Port, error) {
	r, err := p.configured()
	if err != nil {
		return provider.Port{}, err
	}
	var in carried
	c := portChange(progress)
	c.plan = func(f *files) (bool, error) {
		var ok bool
		if in, ok = f.find(spec.NetworkID); !ok {
			return false, noNetwork(spec.NetworkID)
		}
		gone, err := planPort(f, in, spec)
		c.effects = effects{
			Made:   []string{objectName(in.handle, kindHost, spec.ID)},
			Forget: []leases{{Handle: in.handle, Addresses: gone}},
		}
		return true, err
	}
	c.seen[stepNames] = func(ctx context.Context) error {
		return r.awaitName(ctx, in.gateway(), spec.Hostname+"."+in.domain, spec.Addresses)
	}
	if err := p.queue.do(ctx, c, r.transact); err != nil {
		return provider.Port{}, err
	}
	r.log.Info("port applied", "port", spec.ID, "network", spec.NetworkID, "router", r.Router.ID)
	return p.GetPort(ctx, spec.ID)
}

func portChange(progress provider.Progress) *change {
	return &change{
		steps: []step{stepNames}, undo: []step{stepNames}, progress: progress, batch: batchPorts,
		seen: map[step]func(context.Context) error{},
	}
}

// planPort edits the files so that they hold the port. It returns the addresses whose leases no longer hold.
func planPort(f *files, in carried, spec provider.PortSpec) (gone []netip.Addr, err error) {
	if err := admitPort(f, in, spec); err != nil {
		return nil, err
	}
	wanted := portSections(in, spec)
	for _, kind := range []string{kindHost, kindName} {
		name := objectName(in.handle, kind, spec.ID)
		old, was := f.dhcp.Section(name)
		i := slices.IndexFunc(wanted, func(s uci.Section) bool { return s.Name == name })
		if was && kind == kindHost && !sameLease(old, wanted[i]) {
			gone = portAddresses(f, in.handle, spec.ID)
		}
		if was && i < 0 {
			f.dhcp.Delete(name)
		}
	}
	return gone, f.dhcp.Set(wanted...)
}

func sameLease(a, b uci.Section) bool {
	return slices.Equal(a.Values("mac"), b.Values("mac")) && a.Get("ip") == b.Get("ip") && a.Get("hostid") == b.Get("hostid") && a.Get("name") == b.Get("name")
}

// portAddresses returns the addresses that a port has in the configuration.
func portAddresses(f *files, handle, id string) []netip.Addr {
	var all []netip.Addr
	for _, kind := range []string{kindHost, kindName} {
		s, _ := f.dhcp.Section(objectName(handle, kind, id))
		if addr, err := netip.ParseAddr(s.Get("ip")); err == nil {
			all = append(all, addr)
		}
	}
	return all
}

// admitPort refuses what the network's DHCP server could not serve.
func admitPort(f *files, in carried, spec provider.PortSpec) error {
	var faults []*fault.Error
	if old, ok := tagged(f.dhcp, kindHost, spec.ID); ok && old.Get(optionNetwork) != spec.NetworkID {
		faults = append(faults, fault.Invalid("/network_id", "the port is in network %s and stays there", old.Get(optionNetwork)))
	}
	for i, addr := range spec.Addresses {
		at := "/addresses/" + strconv.Itoa(i)
		j := slices.IndexFunc(in.subnets, func(p netip.Prefix) bool { return p.Contains(addr) })
		switch {
		case j < 0:
			faults = append(faults, fault.Invalid(at, "lies in no subnet of the network"))
		case in.subnets[j].Addr() == addr:
			faults = append(faults, fault.Invalid(at, "is the router's own"))
		case addr.Is6() && !leasable(in.subnets[j], addr):
			faults = append(faults, fault.Invalid(at, "must differ from its subnet in the last 32 bits only: OpenWrt leases no others"))
		}
	}
	for _, s := range objects(f.dhcp, in.handle, kindHost) {
		if s.Get(optionID) == spec.ID {
			continue
		}
		if slices.ContainsFunc(s.Values("mac"), func(mac string) bool { return strings.EqualFold(mac, spec.MAC) }) {
			faults = append(faults, fault.Invalid("/mac", "is that of port %s", s.Get(optionID)))
		}
		if s.Get("name") == spec.Hostname {
			faults = append(faults, fault.Invalid("/hostname", "is that of port %s", s.Get(optionID)))
		}
		for i, addr := range spec.Addresses {
			if slices.Contains(portAddresses(f, in.handle, s.Get(optionID)), addr) {
				faults = append(faults, fault.Invalid("/addresses/"+strconv.Itoa(i), "is that of port %s", s.Get(optionID)))
			}
		}
	}
	return fault.Join(faults...)
}

// leasable tells whether a host number has at most 32 bits.
func leasable(subnet netip.Prefix, addr netip.Addr) bool {
	a, net := addr.As16(), subnet.Masked().Addr().As16()
	return slices.Equal(a[:12], net[:12])
}

// GetPort implements provider.Ports.
func (p *Provider) GetPort(ctx context.Context, id string) (provider.Port, error) {
	all, err := p.ListPorts(ctx)
	if err != nil {
		return provider.Port{}, err
	}
	i := slices.IndexFunc(all, func(o provider.Port) bool { return o.ID == id })
	if i < 0 {
		return provider.Port{}, fault.New(fault.NoSuchObject, "there is no port %s on this router", id)
	}
	return all[i], nil
}

// ListPorts implements provider.Ports.
func (p *Provider) ListPorts(context.Context) ([]provider.Port, error) {
	r, err := p.configured()
	if err != nil {
		return nil, err
	}
	f, err := r.load()
	if err != nil {
		return nil, err
	}
	var all []provider.Port
	for _, s := range objects(f.dhcp, "", kindHost) {
		if o, ok := observe(s); ok {
			all = append(all, provider.Port{Observed: o, NetworkID: s.Get(optionNetwork)})
		}
	}
	return all, nil
}

// DeletePort implements provider.Ports.
func (p *Provider) DeletePort(ctx context.Context, id string, progress provider.Progress) error {
	r, err := p.configured()
	if err != nil {
		return err
	}
	var in carried
	var name string
	c := portChange(progress)
	c.batch, c.removes = batchRemoved, true
	c.plan = func(f *files) (bool, error) {
		host, ok := tagged(f.dhcp, kindHost, id)
		if !ok {
			return false, nil
		}
		handle, _, _ := splitName(host.Name)
		in, _ = f.first(func(c carried) bool { return c.handle == handle })
		name = host.Get("name") + "." + in.domain
		c.effects = effects{Forget: []leases{{Handle: handle, Addresses: portAddresses(f, handle, id)}}}
		f.dhcp.Delete(host.Name, objectName(handle, kindName, id))
		return true, nil
	}
	c.seen[stepNames] = func(ctx context.Context) error {
		if in.domain == "" { // a leftover: its network is gone
			return nil
		}
		return r.awaitName(ctx, in.gateway(), name, nil)
	}
	if err := p.queue.do(ctx, c, r.transact); err != nil {
		return err
	}
	r.log.Info("port deleted", "port", id, "router", r.Router.ID)
	return nil
}
