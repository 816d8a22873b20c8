// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

//go:embed config.schema.json
var configSchema json.RawMessage

// config is what an operator may set. The schema says the same.
type config struct {
	StateFile   string         `json:"state_file"`
	StepDelayMS int64          `json:"step_delay_ms"`
	DownFile    string         `json:"down_file"`
	MeddleFile  string         `json:"meddle_file"`
	Hosts       []hostConfig   `json:"hosts"`
	Routers     []routerConfig `json:"routers"`
}

type hostConfig struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	VCPUs        int64             `json:"vcpus"`
	MemoryBytes  int64             `json:"memory_bytes"`
	DiskBytes    int64             `json:"disk_bytes"`
	Fabrics      []string          `json:"fabrics"`
	Labels       map[string]string `json:"labels"`
	Architecture string            `json:"architecture"`
}

type routerConfig struct {
	ID                string            `json:"id"`
	Name              string            `json:"name"`
	Fabrics           []string          `json:"fabrics"`
	Endpoint          *endpointConfig   `json:"endpoint"`
	DelegatedPrefixes []netip.Prefix    `json:"delegated_prefixes"`
	MTU               int               `json:"mtu"`
	MaxNetworks       int               `json:"max_networks"`
	Labels            map[string]string `json:"labels"`
}

type endpointConfig struct {
	Host           string `json:"host"`
	PortMin        int    `json:"port_min"`
	PortMax        int    `json:"port_max"`
	OutsidePortMin int    `json:"outside_port_min"`
}

// Configure implements provider.Provider. The SDK has checked the schema already; this one is strict even so, for those
// who call it without the SDK.
func (c common) Configure(ctx context.Context, raw json.RawMessage) error {
	if err := c.b.begin(ctx, "Configure", nil).at("", 0); err != nil {
		return err
	}
	var settings config
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&settings); err != nil {
		return fault.Invalid("", "the configuration does not fit its schema: %v", err)
	}
	if settings.StateFile != "" {
		if err := c.b.Persist(settings.StateFile); err != nil {
			return err
		}
	}
	return c.b.configure(settings)
}

func (b *Backend) configure(c config) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.delay, b.downFile, b.meddleFile = time.Duration(c.StepDelayMS)*time.Millisecond, c.DownFile, c.MeddleFile
	if c.Hosts != nil {
		b.data.Hosts = nil
		for _, h := range c.Hosts {
			b.data.Hosts = append(b.data.Hosts, h.host())
		}
	}
	if c.Routers != nil {
		b.data.Routers = nil
		for _, r := range c.Routers {
			b.data.Routers = append(b.data.Routers, r.router())
		}
	}
	return b.save()
}

func (h hostConfig) host() provider.Host {
	return provider.Host{
		ID: h.ID, Name: h.Name, Fabrics: h.Fabrics, Labels: h.Labels, Architecture: h.Architecture,
		Capacity: map[string]int64{
			provider.UnitVCPUs: h.VCPUs, provider.UnitMemoryBytes: h.MemoryBytes, provider.UnitDiskBytes: h.DiskBytes,
		},
	}
}

func (r routerConfig) router() provider.Router {
	out := provider.Router{
		ID: r.ID, Name: r.Name, Fabrics: r.Fabrics, DelegatedPrefixes: r.DelegatedPrefixes, MTU: r.MTU,
		MaxNetworks: r.MaxNetworks, Labels: r.Labels,
	}
	if e := r.Endpoint; e != nil {
		out.Endpoint = &provider.Endpoint{Host: e.Host, PortMin: e.PortMin, PortMax: e.PortMax, OutsidePortMin: e.OutsidePortMin}
	}
	return out
}
