// SPDX-License-Identifier: Apache-2.0

//go:build linux

package process

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// ApplyInstance implements provider.Instances. The record is written first, so that whatever comes of it has an owner.
func (p *Provider) ApplyInstance(ctx context.Context, spec provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	if err := p.refuse(ctx, spec); err != nil {
		return provider.Instance{}, err
	}
	h := p.home(spec.ID)
	r, err := p.want(h, spec)
	if err != nil {
		return provider.Instance{}, err
	}
	progress("setting the power", 50)
	if err := h.carryOut(ctx, r); err != nil {
		return provider.Instance{}, err
	}
	r.Made = true
	if err := writeJSON(h.record(), r); err != nil {
		return provider.Instance{}, backend(err)
	}
	return p.GetInstance(ctx, spec.ID)
}

// refuse names all that a process cannot be.
func (p *Provider) refuse(ctx context.Context, spec provider.InstanceSpec) error {
	hosts, err := p.ListHosts(ctx)
	if err != nil {
		return err
	}
	var faults []*fault.Error
	refuse := func(bad bool, field, why string) {
		if bad {
			faults = append(faults, fault.Invalid(field, "%s", why))
		}
	}
	refuse(spec.HostID != hosts[0].ID, "/host_id", "is not this machine, "+hosts[0].ID)
	refuse(spec.Image.Format == provider.ImageQCOW2, "/image/format", "must be raw: the image is a program, not a disk")
	refuse(spec.Initrd != nil, "/initrd", "is for kernels, and the image is a program")
	refuse(len(spec.NICs) > 0, "/nics", "must be empty: programs use the network of their host")
	return fault.Join(faults...)
}

// want writes the record of a spec. Its image stays from then on.
func (p *Provider) want(h home, spec provider.InstanceSpec) (*record, error) {
	p.using.RLock()
	defer p.using.RUnlock()
	if _, err := os.Stat(p.path(imagesDir, spec.Image.SHA256)); err != nil {
		if errors.Is(err, fs.ErrNotExist) && p.Check(context.Background()) == nil {
			return nil, fault.New(fault.ImageMissing, "the content of image %s is not here", spec.Image.SHA256)
		}
		return nil, backend(err)
	}
	before, err := h.readRecord()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, backend(err)
	}
	s := p.settings.Load()
	r := &record{
		Spec: spec, Revision: before.Revision + 1, Reboot: before.Reboot, Restart: s.Restart, Grace: s.grace(), User: s.User,
	}
	return r, backend(errors.Join(writeJSON(h.record(), r), h.make()))
}

// make makes what a supervisor needs.
func (h home) make() error {
	if err := os.MkdirAll(h.path(""), 0o711); err != nil {
		return err
	}
	file, err := os.OpenFile(h.path(lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return file.Close()
}

// GetInstance implements provider.Instances.
func (p *Provider) GetInstance(ctx context.Context, id string) (provider.Instance, error) {
	h := p.home(id)
	r, err := p.record(ctx, h)
	if err != nil {
		return provider.Instance{}, err
	}
	last, err := h.readState()
	if err != nil {
		return provider.Instance{}, backend(err)
	}
	_, running, err := h.running()
	if err != nil {
		return provider.Instance{}, backend(err)
	}
	i := provider.Instance{
		Observed: provider.Observed{Tag: r.Spec.Tag, Phase: provider.PhaseReady, BackendRef: h.path("")},
		HostID:   r.Spec.HostID, Power: provider.PowerStopped, LastRebootOperationID: last.LastReboot,
	}
	if running {
		i.Power = provider.PowerRunning
	}
	if !r.Made {
		i.Phase, i.Failure = provider.PhaseFailed, fault.New(fault.Interrupted, "the work on it was not done to the end")
	}
	return i, nil
}

// record reads the record of an instance. Without a backend, nothing can be said to be missing.
func (p *Provider) record(ctx context.Context, h home) (record, error) {
	r, err := h.readRecord()
	if errors.Is(err, fs.ErrNotExist) {
		if err := p.Check(ctx); err != nil {
			return r, err
		}
		return r, fault.New(fault.NoSuchObject, "there is no instance %s", h.id)
	}
	return r, backend(err)
}

// DeleteInstance implements provider.Instances. The record goes last: until then, the instance is listed.
func (p *Provider) DeleteInstance(ctx context.Context, id string, progress provider.Progress) error {
	h := p.home(id)
	switch r, err := p.record(ctx, h); {
	case err == nil:
		r.Made, r.Deleting = false, true
		r.Revision++
		if err := writeJSON(h.record(), r); err != nil {
			return backend(err)
		}
		progress("ending the program", 20)
		if err := h.carryOut(ctx, &r); err != nil {
			return err
		}
	case fault.ReasonOf(err) != fault.NoSuchObject:
		return err
	}
	progress("removing its files", 80)
	killStrays(id)
	if err := os.RemoveAll(h.path("")); err != nil {
		return backend(err)
	}
	for _, path := range []string{h.record() + newSuffix, h.record()} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return backend(err)
		}
	}
	return nil
}

// ListInstances implements provider.Instances.
func (p *Provider) ListInstances(ctx context.Context) (all []provider.Instance, err error) {
	homes, err := p.homes()
	for _, h := range homes {
		switch i, err := p.GetInstance(ctx, h.id); {
		case err == nil:
			all = append(all, i)
		case fault.ReasonOf(err) != fault.NoSuchObject: // deleted meanwhile
			return nil, err
		}
	}
	return all, backend(err)
}

// RebootInstance implements provider.Power. The supervisor keeps the operation's id when the new program runs.
func (p *Provider) RebootInstance(ctx context.Context, id, operationID string, hard bool) (provider.Instance, error) {
	h := p.home(id)
	r, err := p.record(ctx, h)
	if err != nil {
		return provider.Instance{}, err
	}
	now, running, err := h.running()
	if err != nil {
		return provider.Instance{}, backend(err)
	}
	if now.LastReboot != operationID {
		if !running {
			return provider.Instance{}, fault.New(fault.BadState, "instance %s is not running", id)
		}
		r.Reboot = reboot{operationID, hard}
		r.Revision++
		if err := writeJSON(h.record(), r); err != nil {
			return provider.Instance{}, backend(err)
		}
		if err := h.carryOut(ctx, &r); err != nil {
			return provider.Instance{}, err
		}
	}
	return p.GetInstance(ctx, id)
}
