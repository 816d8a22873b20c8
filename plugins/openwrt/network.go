// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"slices"
	"time"

	"github.com/rhyzome/rhyzome/plugins/openwrt/uci"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// upTimeout is how long interfaces may take to come up, or to go.
const upTimeout = 30 * time.Second

// ApplyNetwork implements provider.Networks.
func (p *Provider) ApplyNetwork(ctx context.Context, spec provider.NetworkSpec, progress provider.Progress) (provider.Network, error) {
	r, err := p.configured()
	if err != nil {
		return provider.Network{}, err
	}
	n, err := r.resolve(spec)
	if err != nil {
		return provider.Network{}, err
	}
	live, err := r.interfaces(ctx)
	if err != nil {
		return provider.Network{}, err
	}
	c := &change{
		steps: growing, undo: shrinking, progress: progress,
		effects: effects{Made: []string{lanName(n.Handle)}, Handles: []string{n.Handle}},
		seen: map[step]func(context.Context) error{
			stepNetwork: func(ctx context.Context) error {
				if err := r.awaitUp(ctx, n.Handle); err != nil {
					return err
				}
				return r.awaitTunnel(ctx, n.Handle)
			},
			stepNames: func(ctx context.Context) error {
				return r.awaitName(ctx, n.v4.Gateway, n.Domain, n.lanGateways())
			},
		},
	}
	c.plan = func(f *files) (bool, error) { return true, r.planNetwork(f, n, live) }
	if err := p.queue.do(ctx, c, r.transact); err != nil {
		return provider.Network{}, err
	}
	r.log.Info("network applied", "network", spec.ID, "router", r.Router.ID, "interface", lanName(n.Handle))
	return p.GetNetwork(ctx, spec.ID)
}

// planNetwork edits the files so that they hold the network, and nothing that it had before and has no more. Ports and
// peers stay.
func (r *router) planNetwork(f *files, n network, live map[string]netInterface) error {
	if err := r.admit(f, n, live); err != nil {
		return err
	}
	if n.WireGuard != nil {
		key, err := r.privateKey(f, n.Handle)
		if err != nil {
			return err
		}
		n.key = key
	}
	for _, part := range []struct {
		file     *uci.File
		sections []uci.Section
	}{{f.network, n.networkSections()}, {f.dhcp, n.dhcpSections()}, {f.firewall, n.firewallSections()}} {
		part.file.Delete(obsolete(part.file, n.Handle, part.sections)...)
		if err := part.file.Set(part.sections...); err != nil {
			return err
		}
	}
	f.dropTrunks()
	return nil
}

// privateKey returns the tunnel's key: the one it has, or a new one. It never leaves the router.
func (r *router) privateKey(f *files, handle string) (string, error) {
	if t, ok := f.network.Section(tunnelName(handle)); ok && t.Get("private_key") != "" {
		return t.Get("private_key"), nil
	}
	key, err := r.newKey()
	if err != nil {
		return "", described(fault.Bug, err, "no WireGuard key can be made")
	}
	return key.String(), nil
}

// obsolete names the sections that the network had and has no more.
func obsolete(f *uci.File, handle string, wanted []uci.Section) []string {
	return slices.DeleteFunc(f.Names(), func(name string) bool {
		h, kind, ok := splitName(name)
		stays := slices.ContainsFunc(wanted, func(s uci.Section) bool { return s.Name == name })
		return !ok || h != handle || stays || kind == kindHost || kind == kindName || kind == kindPeer
	})
}

// dropTrunks removes the bridges that carry no network any more.
func (f *files) dropTrunks() {
	used := map[string]bool{}
	for _, s := range f.network.Sections() {
		if s.Type == "bridge-vlan" {
			used[s.Get("device")] = true
		}
	}
	for _, s := range f.network.Sections() {
		if trunkForm.MatchString(s.Name) && !used[s.Get("name")] {
			f.network.Delete(s.Name)
		}
	}
}

// GetNetwork implements provider.Networks.
func (p *Provider) GetNetwork(ctx context.Context, id string) (provider.Network, error) {
	all, err := p.ListNetworks(ctx)
	if err != nil {
		return provider.Network{}, err
	}
	i := slices.IndexFunc(all, func(n provider.Network) bool { return n.ID == id })
	if i < 0 {
		return provider.Network{}, noNetwork(id)
	}
	return all[i], nil
}

func noNetwork(id string) error {
	return fault.New(fault.NoSuchObject, "there is no network %s on this router", id)
}

// ListNetworks implements provider.Networks. Which networks there are stands in UCI; netifd says how they are.
func (p *Provider) ListNetworks(ctx context.Context) ([]provider.Network, error) {
	r, err := p.configured()
	if err != nil {
		return nil, err
	}
	f, err := r.load()
	if err != nil {
		return nil, err
	}
	live, err := r.interfaces(ctx)
	if err != nil {
		return nil, err
	}
	var all []provider.Network
	for _, c := range f.networks() {
		if n, ok := c.observed(live); ok {
			all = append(all, n)
		}
	}
	return all, nil
}

// DeleteNetwork implements provider.Networks; fault.InUse while ports or peers stand on the network.
func (p *Provider) DeleteNetwork(ctx context.Context, id string, progress provider.Progress) error {
	r, err := p.configured()
	if err != nil {
		return err
	}
	var handle string
	c := &change{
		steps: shrinking, undo: growing, removes: true, progress: progress,
		seen: map[step]func(context.Context) error{
			stepNetwork: func(ctx context.Context) error { return r.awaitGone(ctx, handle) },
		},
	}
	c.plan = func(f *files) (bool, error) {
		found, ok := f.find(id)
		if !ok {
			return false, nil
		}
		if err := f.inUse(id); err != nil {
			return false, err
		}
		handle = found.handle
		c.effects = effects{Handles: []string{handle}, Retired: []string{handle}}
		for _, file := range f.byName() {
			(*file).Delete(slices.DeleteFunc((*file).Names(), func(name string) bool {
				h, _, ok := splitName(name)
				return !ok || h != handle
			})...)
		}
		f.dropTrunks()
		return true, nil
	}
	if err := p.queue.do(ctx, c, r.transact); err != nil {
		return err
	}
	r.log.Info("network deleted", "network", id, "router", r.Router.ID)
	return nil
}

// inUse refuses to pull a network from under what stands on it.
func (f *files) inUse(id string) error {
	for _, s := range slices.Concat(objects(f.dhcp, "", kindHost), objects(f.network, "", kindPeer)) {
		if s.Get(optionNetwork) == id {
			_, kind, _ := splitName(s.Name)
			return fault.New(fault.InUse, "%s %s is on network %s", map[string]string{kindHost: "port", kindPeer: "peer"}[kind], s.Get(optionID), id)
		}
	}
	return nil
}

// awaitUp waits until netifd says that the network's interfaces are up with their addresses.
func (r *router) awaitUp(ctx context.Context, handle string) error {
	f, err := r.load()
	if err != nil {
		return err
	}
	c, ok := f.first(func(c carried) bool { return c.handle == handle })
	if !ok {
		return fault.New(fault.Busy, "network %s vanished from the configuration", handle)
	}
	return await(ctx, upTimeout, func(ctx context.Context) error {
		live, err := r.interfaces(ctx)
		if err != nil {
			return err
		}
		if why := c.down(live); why != "" {
			return fault.New(fault.BackendRefused, "%s", why)
		}
		return nil
	})
}

// awaitGone waits until netifd has no interface of the network.
func (r *router) awaitGone(ctx context.Context, handle string) error {
	return await(ctx, upTimeout, func(ctx context.Context) error {
		live, err := r.interfaces(ctx)
		if err != nil {
			return err
		}
		for _, name := range []string{lanName(handle), tunnelName(handle)} {
			if _, there := live[name]; there {
				return fault.New(fault.BackendRefused, "interface %s does not go away", name)
			}
		}
		return nil
	})
}
