// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	virt "libvirt.org/go/libvirt"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Watch implements provider.Watcher with libvirt's domain events. It begins with each connection to libvirtd, and so is
// the place to clear away what the machine's last end left.
func (p *Provider) Watch(ctx context.Context, changed func(kind provider.Kind, id string)) error {
	_, err := look(ctx, p, func(b *backend, l *link) (struct{}, error) {
		if err := b.sweepPorts(ctx, l); err != nil {
			slog.Warn("clearing away ports without network cards", "error", err)
		}
		// The name is known here without another call, which must not be made in an event.
		report := func(d *virt.Domain) {
			if name, err := d.GetName(); err == nil && strings.HasPrefix(name, namePrefix) {
				changed(provider.KindInstance, strings.TrimPrefix(name, namePrefix))
			}
		}
		lifecycle, err := l.DomainEventLifecycleRegister(nil, func(_ *virt.Connect, d *virt.Domain, _ *virt.DomainEventLifecycle) { report(d) })
		if err != nil {
			return struct{}{}, err
		}
		defer l.forget(lifecycle)
		changed(provider.KindInstance, "") // whatever happened before
		select {
		case <-l.lost:
			return struct{}{}, fault.New(fault.BackendDown, "libvirtd went away")
		case <-ctx.Done():
			return struct{}{}, ctx.Err()
		}
	})
	return err
}

// whenStopped returns a channel that is closed when the domain stops. The caller must call forget.
func (l *link) whenStopped(d *domain) (over <-chan struct{}, forget func(), err error) {
	happened, tell := signal()
	id, err := l.DomainEventLifecycleRegister(d.Domain, func(_ *virt.Connect, _ *virt.Domain, e *virt.DomainEventLifecycle) {
		if e.Event == virt.DOMAIN_EVENT_STOPPED {
			tell()
		}
	})
	return happened, func() { l.forget(id) }, err
}

// whenRestarted returns a channel that is closed when the guest restarts. The caller must call forget.
func (l *link) whenRestarted(d *domain) (over <-chan struct{}, forget func(), err error) {
	happened, tell := signal()
	id, err := l.DomainEventRebootRegister(d.Domain, func(*virt.Connect, *virt.Domain) { tell() })
	return happened, func() { l.forget(id) }, err
}

// signal returns a channel, and what closes it.
func signal() (<-chan struct{}, func()) {
	happened := make(chan struct{})
	return happened, sync.OnceFunc(func() { close(happened) })
}

// forget ends a subscription. libvirtd has forgotten it already where the link is lost.
func (l *link) forget(id int) {
	if err := l.DomainEventDeregister(id); err != nil && !l.isLost() {
		slog.Warn("ending a subscription to libvirt's events", "error", err)
	}
}
