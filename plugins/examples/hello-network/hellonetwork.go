// SPDX-License-Identifier: Apache-2.0

// Package hellonetwork is a provider of networks as small as a correct one can be. Its backend is a directory: a network
// or a port is one file, which holds its spec with the tag. It is written whole or not at all, so nothing is ever half
// made. docs/plugin-guide speaks of it; take it as the beginning of your own.
package hellonetwork

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

const schema = `{"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object", "additionalProperties": false, "required": ["directory", "fabric"],
	"properties": {
		"directory": {"type": "string", "pattern": "^/", "description": "Where networks and ports lie."},
		"fabric": {"type": "string", "minLength": 1, "description": "The fabric that the router is on."}}}`

// The kinds of file, by their endings.
const networks, ports = ".network", ".port"

type config struct{ Directory, Fabric string }

// Provider keeps nothing in memory but its configuration: whatever it is asked, it looks.
type Provider struct{ config atomic.Pointer[config] }

// Both are the service network; one alone would be refused at the start.
var (
	_ provider.Networks = (*Provider)(nil)
	_ provider.Ports    = (*Provider)(nil)
)

// New returns a provider, which has to be configured.
func New() *Provider {
	p := &Provider{}
	p.config.Store(&config{})
	return p
}

// Describe implements provider.Provider.
func (p *Provider) Describe() provider.Description {
	return provider.Description{Name: "hello-network", Version: "0.1.0", ConfigSchema: json.RawMessage(schema)}
}

// Configure implements provider.Provider. The SDK has held the settings against the schema already.
func (p *Provider) Configure(_ context.Context, raw json.RawMessage) error {
	var c config
	if err := json.Unmarshal(raw, &c); err != nil {
		return fault.Invalid("", "must be a JSON object: %v", err)
	}
	if err := os.MkdirAll(c.Directory, 0o700); err != nil {
		return fault.Invalid("/directory", "cannot be used: %v", err)
	}
	p.config.Store(&c)
	return nil
}

// Check implements provider.Provider.
func (p *Provider) Check(context.Context) error {
	_, err := os.ReadDir(p.config.Load().Directory)
	return backend(err)
}

// ListRouters implements provider.Networks: the one router is this machine.
func (p *Provider) ListRouters(context.Context) ([]provider.Router, error) {
	return []provider.Router{{ID: routerID(), Name: "hello", Fabrics: []string{p.config.Load().Fabric}, MTU: 1500}}, nil
}

// ApplyNetwork implements provider.Networks. What this router cannot make is refused before anything is done.
func (p *Provider) ApplyNetwork(_ context.Context, spec provider.NetworkSpec, _ provider.Progress) (provider.Network, error) {
	var wrong []*fault.Error
	if spec.RouterID != routerID() {
		wrong = append(wrong, fault.Invalid("/router_id", "there is no router %s", spec.RouterID))
	}
	if spec.Fabric != p.config.Load().Fabric {
		wrong = append(wrong, fault.Invalid("/fabric", "the router is not on the fabric %q", spec.Fabric))
	}
	if spec.WireGuard != nil {
		wrong = append(wrong, fault.Invalid("/wireguard", "the router has no endpoint for peers"))
	}
	if err := fault.Join(wrong...); err != nil {
		return provider.Network{}, err
	}
	return provider.Network{Observed: ready(spec.Tag)}, p.write(spec.ID, networks, spec)
}

// GetNetwork implements provider.Networks.
func (p *Provider) GetNetwork(_ context.Context, id string) (provider.Network, error) {
	spec, err := read[provider.NetworkSpec](p, id, networks)
	return provider.Network{Observed: ready(spec.Tag)}, err
}

// DeleteNetwork implements provider.Networks.
func (p *Provider) DeleteNetwork(_ context.Context, id string, _ provider.Progress) error {
	return p.remove(id, networks)
}

// ListNetworks implements provider.Networks.
func (p *Provider) ListNetworks(ctx context.Context) ([]provider.Network, error) {
	return list(p, networks, func(id string) (provider.Network, error) { return p.GetNetwork(ctx, id) })
}

// ApplyPort implements provider.Ports. A real one makes the lease and the name here.
func (p *Provider) ApplyPort(_ context.Context, spec provider.PortSpec, _ provider.Progress) (provider.Port, error) {
	n, err := read[provider.NetworkSpec](p, spec.NetworkID, networks)
	if err != nil {
		return provider.Port{}, err
	}
	for i, a := range spec.Addresses {
		if !slices.ContainsFunc(n.Subnets, func(s provider.Subnet) bool { return s.CIDR.Contains(a) }) {
			return provider.Port{}, fault.Invalid(fmt.Sprintf("/addresses/%d", i), "lies in no subnet of the network")
		}
	}
	return provider.Port{Observed: ready(spec.Tag), NetworkID: spec.NetworkID}, p.write(spec.ID, ports, spec)
}

// GetPort implements provider.Ports.
func (p *Provider) GetPort(_ context.Context, id string) (provider.Port, error) {
	spec, err := read[provider.PortSpec](p, id, ports)
	return provider.Port{Observed: ready(spec.Tag), NetworkID: spec.NetworkID}, err
}

// DeletePort implements provider.Ports.
func (p *Provider) DeletePort(_ context.Context, id string, _ provider.Progress) error {
	return p.remove(id, ports)
}

// ListPorts implements provider.Ports.
func (p *Provider) ListPorts(ctx context.Context) ([]provider.Port, error) {
	return list(p, ports, func(id string) (provider.Port, error) { return p.GetPort(ctx, id) })
}

func ready(tag provider.Tag) provider.Observed {
	return provider.Observed{Tag: tag, Phase: provider.PhaseReady, BackendRef: tag.ID}
}

// routerID is the machine's own, and stays (man machine-id).
func routerID() string {
	if id, err := os.ReadFile("/etc/machine-id"); err == nil && len(id) > 1 {
		return strings.TrimSpace(string(id))
	}
	return "hello" // where a system has none
}

// path names a file. The SDK lets only UUIDs through as ids, so a name never leaves the directory.
func (p *Provider) path(id, ending string) string {
	return filepath.Join(p.config.Load().Directory, id+ending)
}

func (p *Provider) write(id, ending string, spec any) error {
	content, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.path(id, ".new"), content, 0o600); err != nil {
		return backend(err)
	}
	return backend(os.Rename(p.path(id, ".new"), p.path(id, ending)))
}

func (p *Provider) remove(id, ending string) error {
	if err := p.Check(context.Background()); err != nil { // without a backend, nothing can be said to be gone
		return err
	}
	if err := os.Remove(p.path(id, ending)); !errors.Is(err, fs.ErrNotExist) {
		return backend(err)
	}
	return nil
}

func read[S any](p *Provider, id, ending string) (spec S, err error) {
	content, err := os.ReadFile(p.path(id, ending))
	if errors.Is(err, fs.ErrNotExist) {
		if err := p.Check(context.Background()); err != nil { // nor to be missing
			return spec, err
		}
		return spec, fault.New(fault.NoSuchObject, "there is no %s%s", id, ending)
	}
	return spec, backend(errors.Join(err, json.Unmarshal(content, &spec)))
}

func list[O any](p *Provider, ending string, get func(id string) (O, error)) (all []O, err error) {
	entries, err := os.ReadDir(p.config.Load().Directory)
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), ending)
		if !ok {
			continue
		}
		switch o, err := get(id); {
		case err == nil:
			all = append(all, o)
		case fault.ReasonOf(err) != fault.NoSuchObject: // deleted meanwhile
			return nil, err
		}
	}
	return all, backend(err)
}

// backend makes a fault of what the file system says.
func backend(err error) error {
	if err == nil {
		return nil
	}
	return &fault.Error{Code: fault.Unavailable, Reason: fault.BackendDown, Message: "the directory cannot be used", Err: err}
}
