// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"context"
	"errors"
	"time"

	virt "libvirt.org/go/libvirt"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

const (
	// unikernelGrace is how long a unikernel may take: few of them know a power button.
	unikernelGrace = 2 * time.Second
	// pressAgain is when the power button is pressed again: a guest that is just booting does not notice it.
	pressAgain = 10 * time.Second
)

// startDomain makes the guest run, if it does not.
func (b *backend) startDomain(ctx context.Context, l *link, d *domain, memory int64) error {
	state, _, err := d.GetState()
	if err != nil {
		return err
	}
	switch state {
	case virt.DOMAIN_RUNNING, virt.DOMAIN_BLOCKED, virt.DOMAIN_PMSUSPENDED:
		return nil
	case virt.DOMAIN_PAUSED:
		return d.Resume()
	case virt.DOMAIN_SHUTDOWN: // on its way out
		if err := b.stopDomain(ctx, l, d); err != nil {
			return err
		}
	}
	if err := b.haveMemory(l, d.mark.ID, memory); err != nil {
		return err
	}
	err = d.Create()
	if active, stateErr := d.IsActive(); err != nil && stateErr == nil && active {
		return nil // libvirtd, which starts domains too when it starts, was faster
	}
	return err
}

// haveMemory refuses to start a guest that the machine has no memory for.
func (b *backend) haveMemory(l *link, id string, want int64) error {
	node, err := l.GetNodeInfo()
	if err != nil {
		return err
	}
	running, err := l.ListAllDomains(virt.CONNECT_LIST_DOMAINS_ACTIVE)
	if err != nil {
		return err
	}
	free := b.memory(node)
	for i := range running {
		defer freeHandle(&running[i])
		info, err := running[i].GetInfo()
		switch {
		case isAbsent(err):
		case err != nil:
			return err
		default:
			free -= int64(info.MaxMem) << 10
		}
	}
	if want > free {
		return fault.New(fault.NoCapacity, "instance %s wants %d bytes of memory, and %d are left", id, want, max(free, 0))
	}
	return nil
}

// stopDomain asks the guest to shut down, and ends it when it takes too long.
func (b *backend) stopDomain(ctx context.Context, l *link, d *domain) error {
	over, forget, err := l.whenStopped(d)
	if err != nil {
		return err
	}
	defer forget()
	if active, err := d.IsActive(); err != nil || !active {
		return err
	}
	inTime, err := l.persuade(ctx, b.grace(d), over, func() error {
		return stopped(d.ShutdownFlags(virt.DOMAIN_SHUTDOWN_ACPI_POWER_BTN))
	})
	if err != nil || inTime {
		return err
	}
	return stopped(d.Destroy())
}

// RebootInstance implements provider.Power. The operation is noted before the reboot: a call that is repeated after a
// crash between the two does nothing, rather than reboot twice.
func (p *Provider) RebootInstance(ctx context.Context, id, operationID string, hard bool) (provider.Instance, error) {
	if !isID(id) {
		return provider.Instance{}, noInstance(id)
	}
	return change(ctx, p, id, func(b *backend, l *link) (provider.Instance, error) {
		d, err := find(l, id)
		if isForeign(err) {
			err = noInstance(id)
		}
		if err != nil {
			return provider.Instance{}, err
		}
		defer d.free()
		if d.mark.LastReboot != operationID {
			if err := b.rebootOnce(ctx, l, d, operationID, hard); err != nil {
				return provider.Instance{}, err
			}
		}
		return d.observe(b.Host.ID)
	})
}

func (b *backend) rebootOnce(ctx context.Context, l *link, d *domain, operationID string, hard bool) error {
	active, err := d.IsActive()
	if err != nil {
		return err
	}
	if !active {
		return fault.New(fault.BadState, "instance %s is not running", d.mark.ID)
	}
	before := d.mark
	d.mark.LastReboot = operationID
	if err := d.mark.write(d.Domain); err != nil {
		return err
	}
	if hard {
		err = d.Reset(0)
	} else {
		err = b.restartDomain(ctx, l, d)
	}
	var refused virt.Error
	if errors.As(err, &refused) && !l.isLost() { // nothing was done
		d.mark = before
		return errors.Join(err, before.write(d.Domain))
	}
	return err
}

// restartDomain asks the guest to restart, and resets it when it takes too long.
func (b *backend) restartDomain(ctx context.Context, l *link, d *domain) error {
	over, forget, err := l.whenRestarted(d)
	if err != nil {
		return err
	}
	defer forget()
	inTime, err := l.persuade(ctx, b.grace(d), over, func() error { return d.Reboot(virt.DOMAIN_REBOOT_ACPI_POWER_BTN) })
	if err != nil || inTime {
		return err
	}
	return d.Reset(0)
}

// persuade presses the guest's power button, again and again, until over is closed, and reports whether that was within
// limit.
func (l *link) persuade(ctx context.Context, limit time.Duration, over <-chan struct{}, press func() error) (inTime bool, err error) {
	late := time.NewTimer(limit)
	defer late.Stop()
	again := time.NewTicker(pressAgain)
	defer again.Stop()
	for {
		if err := press(); err != nil {
			return false, err
		}
		select {
		case <-over:
			return true, nil
		case <-late.C:
			return false, nil
		case <-l.lost:
			return false, fault.New(fault.BackendDown, "libvirtd went away")
		case <-ctx.Done():
			return false, ctx.Err()
		case <-again.C:
		}
	}
}

// grace is how long the guest may take to do what it is asked.
func (b *backend) grace(d *domain) time.Duration {
	if d.mark.Kind == string(provider.InstanceUnikernel) {
		return unikernelGrace
	}
	return b.shutdownTime()
}
