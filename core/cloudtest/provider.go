// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// PublicKey is what networks' endpoints get.
const PublicKey = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="

// Provider is an attached provider in memory. It keeps the contract (fences, generations, digests), and refuses what
// the core may never ask: a port before its network, an instance before its ports or its image, a network's deletion
// before its ports'.
type Provider struct {
	id string

	mu        sync.Mutex
	away      bool
	key       string
	fail      func(verb, id string) error
	fences    map[string]uint64
	tags      map[string]provider.Tag
	images    map[string]string
	networks  map[string]provider.NetworkSpec
	ports     map[string]provider.PortSpec
	peers     map[string]provider.PeerSpec
	instances map[string]provider.InstanceSpec
	reboots   map[string][]string // operations, by instance
}

var (
	_ core.Providers       = (*Provider)(nil)
	_ core.ComputeProvider = (*Provider)(nil)
	_ core.NetworkProvider = (*Provider)(nil)
)

func newProvider(id string) *Provider {
	return &Provider{
		id: id, key: PublicKey, fences: map[string]uint64{}, tags: map[string]provider.Tag{}, images: map[string]string{},
		networks: map[string]provider.NetworkSpec{}, ports: map[string]provider.PortSpec{}, peers: map[string]provider.PeerSpec{},
		instances: map[string]provider.InstanceSpec{}, reboots: map[string][]string{},
	}
}

// Compute implements core.Providers.
func (p *Provider) Compute(id string) (core.ComputeProvider, error) { return p, p.attached(id) }

// Network implements core.Providers.
func (p *Provider) Network(id string) (core.NetworkProvider, error) { return p, p.attached(id) }

func (p *Provider) attached(id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away || id != p.id {
		return fault.New(fault.ProviderAway, "provider %s is not attached", id)
	}
	return nil
}

// SetAway detaches the provider, or attaches it again.
func (p *Provider) SetAway(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
}

// SetPublicKey changes what networks' endpoints get.
func (p *Provider) SetPublicKey(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key = key
}

// SetFail lets calls fail: what f returns for a verb ("apply instance") and an id is returned before anything is done.
func (p *Provider) SetFail(f func(verb, id string) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = f
}

// Has lists what is there, in order: "instance ID", "network ID", …
func (p *Provider) Has() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for id := range p.networks {
		all = append(all, "network "+id)
	}
	for id := range p.ports {
		all = append(all, "port "+id)
	}
	for id := range p.peers {
		all = append(all, "peer "+id)
	}
	for id := range p.instances {
		all = append(all, "instance "+id)
	}
	slices.Sort(all)
	return all
}

// Instance returns the spec of an instance.
func (p *Provider) Instance(id string) (provider.InstanceSpec, bool) { return get(p, p.instances, id) }

// NetworkSpec returns the spec of a network.
func (p *Provider) NetworkSpec(id string) (provider.NetworkSpec, bool) { return get(p, p.networks, id) }

// Port returns the spec of a port.
func (p *Provider) Port(id string) (provider.PortSpec, bool) { return get(p, p.ports, id) }

// Peer returns the spec of a peer.
func (p *Provider) Peer(id string) (provider.PeerSpec, bool) { return get(p, p.peers, id) }

func get[T any](p *Provider, from map[string]T, id string) (T, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	spec, ok := from[id]
	return spec, ok
}

// Reboots returns the operations that rebooted an instance.
func (p *Provider) Reboots(id string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.reboots[id])
}

// DropImages forgets every image, as a host's cache may.
func (p *Provider) DropImages() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.images = map[string]string{}
}

// Images returns the content that was pushed, by digest.
func (p *Provider) Images() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.images)
}

// command checks what goes before every mutating call; p.mu is held.
func (p *Provider) command(verb, id string, fence uint64) error {
	if p.away {
		return fault.New(fault.ProviderAway, "the connection is gone")
	}
	if p.fail != nil {
		if err := p.fail(verb, id); err != nil {
			return err
		}
	}
	if fence == 0 || fence < p.fences[id] {
		return fault.New(fault.Fenced, "%s %s: fence %d, saw %d", verb, id, fence, p.fences[id])
	}
	p.fences[id] = fence
	return nil
}

// apply checks a command with a spec, and keeps the tag.
func (p *Provider) apply(verb string, tag provider.Tag, fence uint64, spec any) error {
	if err := p.command(verb, tag.ID, fence); err != nil {
		return err
	}
	made, err := core.TagOf(tag.ID, tag.Generation, spec)
	if err != nil {
		return err
	}
	has := p.tags[tag.ID]
	switch {
	case tag.Generation < 1 || tag.SpecDigest != made.SpecDigest:
		return fault.New(fault.Bug, "%s %s: the tag does not belong to the spec", verb, tag.ID)
	case tag.Generation < has.Generation:
		return fault.New(fault.StaleGeneration, "%s %s: generation %d, has %d", verb, tag.ID, tag.Generation, has.Generation)
	case tag.Generation == has.Generation && tag.SpecDigest != has.SpecDigest:
		return fault.New(fault.SpecConflict, "%s %s: another spec in generation %d", verb, tag.ID, tag.Generation)
	}
	p.tags[tag.ID] = tag
	return nil
}

func (p *Provider) observed(id string) provider.Observed {
	return provider.Observed{Tag: p.tags[id], Phase: provider.PhaseReady}
}

// ApplyNetwork implements core.NetworkProvider.
func (p *Provider) ApplyNetwork(_ context.Context, fence uint64, spec provider.NetworkSpec, progress provider.Progress) (provider.Network, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	bare := spec
	bare.Tag = provider.Tag{}
	if err := p.apply("apply network", spec.Tag, fence, bare); err != nil {
		return provider.Network{}, err
	}
	progress("making the network", 50)
	p.networks[spec.ID] = spec
	n := provider.Network{Observed: p.observed(spec.ID)}
	if spec.WireGuard != nil {
		n.WireGuardPublicKey = p.key
	}
	return n, nil
}

// DeleteNetwork implements core.NetworkProvider.
func (p *Provider) DeleteNetwork(_ context.Context, fence uint64, tag provider.Tag, _ provider.Progress) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.command("delete network", tag.ID, fence); err != nil {
		return err
	}
	for id, port := range p.ports {
		if port.NetworkID == tag.ID {
			return fault.New(fault.InUse, "port %s is on network %s", id, tag.ID)
		}
	}
	for id, peer := range p.peers {
		if peer.NetworkID == tag.ID {
			return fault.New(fault.InUse, "peer %s is on network %s", id, tag.ID)
		}
	}
	delete(p.networks, tag.ID)
	delete(p.tags, tag.ID)
	return nil
}

// ApplyPort implements core.NetworkProvider.
func (p *Provider) ApplyPort(_ context.Context, fence uint64, spec provider.PortSpec, _ provider.Progress) (provider.Port, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	bare := spec
	bare.Tag = provider.Tag{}
	if err := p.apply("apply port", spec.Tag, fence, bare); err != nil {
		return provider.Port{}, err
	}
	if _, ok := p.networks[spec.NetworkID]; !ok {
		return provider.Port{}, fault.New(fault.NoSuchObject, "there is no network %s", spec.NetworkID)
	}
	p.ports[spec.ID] = spec
	return provider.Port{Observed: p.observed(spec.ID), NetworkID: spec.NetworkID}, nil
}

// DeletePort implements core.NetworkProvider.
func (p *Provider) DeletePort(_ context.Context, fence uint64, tag provider.Tag, _ provider.Progress) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.command("delete port", tag.ID, fence); err != nil {
		return err
	}
	for id, spec := range p.instances {
		if slices.ContainsFunc(spec.NICs, func(n provider.NIC) bool { return n.PortID == tag.ID }) {
			return fault.New(fault.InUse, "instance %s has port %s", id, tag.ID)
		}
	}
	delete(p.ports, tag.ID)
	delete(p.tags, tag.ID)
	return nil
}

// ApplyPeer implements core.NetworkProvider.
func (p *Provider) ApplyPeer(_ context.Context, fence uint64, spec provider.PeerSpec, _ provider.Progress) (provider.Peer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	bare := spec
	bare.Tag = provider.Tag{}
	if err := p.apply("apply peer", spec.Tag, fence, bare); err != nil {
		return provider.Peer{}, err
	}
	if _, ok := p.networks[spec.NetworkID]; !ok {
		return provider.Peer{}, fault.New(fault.NoSuchObject, "there is no network %s", spec.NetworkID)
	}
	p.peers[spec.ID] = spec
	return provider.Peer{Observed: p.observed(spec.ID), NetworkID: spec.NetworkID}, nil
}

// DeletePeer implements core.NetworkProvider.
func (p *Provider) DeletePeer(_ context.Context, fence uint64, tag provider.Tag, _ provider.Progress) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.command("delete peer", tag.ID, fence); err != nil {
		return err
	}
	delete(p.peers, tag.ID)
	delete(p.tags, tag.ID)
	return nil
}

// EnsureImage implements core.ComputeProvider.
func (p *Provider) EnsureImage(_ context.Context, ref provider.ImageRef, open func(int64) (io.ReadCloser, error), _ provider.Progress) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.command("push image", "image "+ref.SHA256, 1); err != nil {
		return err
	}
	if _, ok := p.images[ref.SHA256]; ok {
		return nil
	}
	content, err := open(0)
	if err != nil {
		return err
	}
	defer content.Close()
	text, err := io.ReadAll(content)
	if err != nil {
		return fmt.Errorf("read image content: %w", err)
	}
	p.images[ref.SHA256] = string(text)
	return nil
}

// ApplyInstance implements core.ComputeProvider.
func (p *Provider) ApplyInstance(_ context.Context, fence uint64, spec provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	bare := spec
	bare.Tag = provider.Tag{}
	if err := p.apply("apply instance", spec.Tag, fence, bare); err != nil {
		return provider.Instance{}, err
	}
	if _, ok := p.images[spec.Image.SHA256]; !ok {
		return provider.Instance{}, fault.New(fault.ImageMissing, "there is no image %s", spec.Image.SHA256)
	}
	for _, nic := range spec.NICs {
		if _, ok := p.ports[nic.PortID]; !ok {
			return provider.Instance{}, fault.New(fault.NoSuchObject, "there is no port %s", nic.PortID)
		}
	}
	progress("making the instance", 50)
	p.instances[spec.ID] = spec
	return p.instance(spec), nil
}

func (p *Provider) instance(spec provider.InstanceSpec) provider.Instance {
	return provider.Instance{Observed: p.observed(spec.ID), Power: spec.Power, HostID: spec.HostID}
}

// DeleteInstance implements core.ComputeProvider.
func (p *Provider) DeleteInstance(_ context.Context, fence uint64, tag provider.Tag, _ provider.Progress) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.command("delete instance", tag.ID, fence); err != nil {
		return err
	}
	delete(p.instances, tag.ID)
	delete(p.tags, tag.ID)
	return nil
}

// GetInstance implements core.ComputeProvider.
func (p *Provider) GetInstance(_ context.Context, id string) (provider.Instance, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	spec, ok := p.instances[id]
	if !ok {
		return provider.Instance{}, fault.New(fault.NoSuchObject, "there is no instance %s", id)
	}
	return p.instance(spec), nil
}

// RebootInstance implements core.ComputeProvider.
func (p *Provider) RebootInstance(_ context.Context, fence uint64, id, operationID string, _ bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.command("reboot instance", id, fence); err != nil {
		return err
	}
	if spec, ok := p.instances[id]; !ok || spec.Power != provider.PowerRunning {
		return fault.New(fault.BadState, "instance %s does not run", id)
	}
	if done := p.reboots[id]; len(done) == 0 || done[len(done)-1] != operationID {
		p.reboots[id] = append(done, operationID)
	}
	return nil
}
