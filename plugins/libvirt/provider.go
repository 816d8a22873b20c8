// SPDX-License-Identifier: Apache-2.0

// Package libvirt makes instances with libvirt and QEMU, on the machine that it runs on.
//
// An instance is one persistent domain, with the instance's id as UUID, the name rz-ID, and a mark in its metadata (see
// mark.go) that is written before anything else is made and removed after everything else is gone. Its files lie in
// DATA_DIR/instances/ID. Domains without the mark are foreign: they are neither listed nor touched. Nothing is kept in
// memory that a new process would need.
package libvirt

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Provider implements provider.Provider, and with it Instances, Power, Images and Watcher.
type Provider struct {
	backend atomic.Pointer[backend] // nil before the first Configure
	turns   turns
}

// backend is what one configuration leads to.
type backend struct {
	config
	connection *connection
	images     *imageCache
}

// Version is set by the linker.
var Version = "dev"

// New returns a provider. It does nothing before Configure.
func New() *Provider {
	return &Provider{turns: turns{held: map[string]*turn{}}}
}

// Describe implements provider.Provider.
func (p *Provider) Describe() provider.Description {
	return provider.Description{Name: "libvirt", Version: Version, ConfigSchema: configSchema}
}

// Configure implements provider.Provider. Work that runs goes on with the settings that it began with.
func (p *Provider) Configure(_ context.Context, text json.RawMessage) error {
	c, err := parseConfig(text)
	if err != nil {
		return err
	}
	if err := c.makeDirs(); err != nil {
		return err
	}
	next := &backend{config: c, connection: newConnection(c.URI, time.Now), images: newImageCache(c.imagesDir())}
	old := p.backend.Load()
	if old != nil && old.URI == c.URI {
		next.connection = old.connection
	}
	if old != nil && old.DataDir == c.DataDir {
		next.images = old.images
	}
	p.backend.Store(next)
	if old != nil && old.connection != next.connection {
		old.connection.close()
	}
	return nil
}

// Check implements provider.Provider.
func (p *Provider) Check(ctx context.Context) error {
	_, err := look(ctx, p, func(_ *backend, l *link) (uint32, error) { return l.GetLibVersion() })
	if fault.CodeOf(err) == fault.DeadlineExceeded {
		return fault.New(fault.BackendDown, "libvirtd does not answer")
	}
	return err
}

func (p *Provider) configured() (*backend, error) {
	b := p.backend.Load()
	if b == nil {
		return nil, fault.New(fault.NotConfigured, "the libvirt provider has not been configured yet")
	}
	return b, nil
}
