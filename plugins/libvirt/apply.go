// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"context"
	"os"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

// ApplyInstance implements provider.Instances. A change to what a running guest has (its CPUs, memory, ports) is there
// after its next start.
func (p *Provider) ApplyInstance(ctx context.Context, spec provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	return change(ctx, p, spec.ID, func(b *backend, l *link) (provider.Instance, error) {
		if err := b.validate(spec); err != nil {
			return provider.Instance{}, err
		}
		a := &applying{backend: b, link: l, spec: spec}
		defer a.free()
		if err := walk(ctx, progress, a.steps()); err != nil {
			return provider.Instance{}, full(err)
		}
		return a.domain.observe(b.Host.ID)
	})
}

// applying makes one instance as its spec says.
type applying struct {
	*backend
	link   *link
	spec   provider.InstanceSpec
	domain *domain // from the first step on
}

func (a *applying) steps() []step {
	power := step{"starting the guest", a.start}
	if a.spec.Power == provider.PowerStopped {
		power = step{"stopping the guest", a.stop}
	}
	return []step{
		{"defining the domain", a.define},
		{"making the disk", a.makeFiles},
		{"writing the seed", a.makeSeed},
		power,
		{"marking the instance ready", a.finish},
	}
}

func (a *applying) free() {
	if a.domain != nil {
		a.domain.free()
	}
}

// define writes the domain with its mark: from now on the instance is listed, and its images are in use.
func (a *applying) define(ctx context.Context) error {
	around, err := a.lookAround(ctx)
	if err != nil {
		return err
	}
	a.images.using.RLock()
	defer a.images.using.RUnlock()
	if err := a.images.need(a.spec); err != nil {
		return err
	}
	if err := mustBeOurs(a.link, a.spec.ID); err != nil {
		return err
	}
	old, err := find(a.link, a.spec.ID)
	var lastReboot string
	switch {
	case err == nil:
		lastReboot = old.mark.LastReboot
		old.free()
	case !isNoObject(err):
		return err
	}
	m := newMark(a.spec, lastReboot)
	definition, err := a.defineDomain(a.spec, m, around)
	if err != nil {
		return err
	}
	text, err := definition.Marshal()
	if err != nil {
		return err
	}
	d, err := a.link.DomainDefineXML(text)
	if err != nil {
		return err
	}
	a.domain = &domain{Domain: d, mark: m}
	return nil
}

// lookAround finds what the definition depends on.
func (a *applying) lookAround(ctx context.Context) (surroundings, error) {
	kind, err := a.link.kind()
	around := surroundings{domainType: kind, userspace: map[string]bool{}}
	for _, nic := range a.spec.NICs {
		bridge := a.Fabrics[nic.Fabric].Bridge
		if _, known := around.userspace[bridge]; !known && err == nil {
			around.userspace[bridge], err = inUserspace(ctx, bridge)
		}
	}
	return around, err
}

// makeFiles makes what the guest boots from.
func (a *applying) makeFiles(ctx context.Context) error {
	id := a.spec.ID
	if err := os.MkdirAll(a.instanceDir(id), 0o711); err != nil {
		return err
	}
	if a.spec.Kind == provider.InstanceVM {
		return a.makeDisk(ctx, a.domain, a.spec)
	}
	err := copyFile(ctx, a.images.path(a.spec.Image.SHA256), a.instanceFile(id, kernelFile))
	if err != nil || a.spec.Initrd == nil {
		return err
	}
	return copyFile(ctx, a.images.path(a.spec.Initrd.SHA256), a.instanceFile(id, initrdFile))
}

func (a *applying) makeSeed(context.Context) error {
	if a.spec.CloudInit == nil {
		return nil
	}
	return writeSeed(a.instanceFile(a.spec.ID, seedFile), *a.spec.CloudInit)
}

// start also lets libvirtd start the guest when the machine does, without us.
func (a *applying) start(ctx context.Context) error {
	if err := a.domain.SetAutostart(true); err != nil {
		return err
	}
	return a.startDomain(ctx, a.link, a.domain, a.spec.MemoryBytes)
}

func (a *applying) stop(ctx context.Context) error {
	if err := a.domain.SetAutostart(false); err != nil {
		return err
	}
	return a.stopDomain(ctx, a.link, a.domain)
}

func (a *applying) finish(context.Context) error {
	m := a.domain.mark
	m.State = stateReady
	if err := m.write(a.domain.Domain); err != nil {
		return err
	}
	a.domain.mark = m
	return nil
}
