// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"context"
	"os"

	virt "libvirt.org/go/libvirt"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

// DeleteInstance implements provider.Instances. The domain, which bears the mark, goes last.
func (p *Provider) DeleteInstance(ctx context.Context, id string, progress provider.Progress) error {
	if !isID(id) {
		return nil // there cannot be one
	}
	_, err := change(ctx, p, id, func(b *backend, l *link) (struct{}, error) {
		r := &removing{backend: b, id: id}
		d, err := find(l, id)
		switch {
		case err == nil:
			r.domain = d
			defer d.free()
		case !isNoObject(err) && !isForeign(err):
			return struct{}{}, err
		}
		return struct{}{}, walk(ctx, progress, r.steps())
	})
	return err
}

// removing removes one instance, or what is left of it.
type removing struct {
	*backend
	id     string
	domain *domain // nil if it is gone already
}

func (r *removing) steps() []step {
	files := []step{
		{"removing its ports", r.removePorts},
		{"removing its files", r.removeFiles},
	}
	if r.domain == nil {
		return files
	}
	steps := append([]step{{"marking the instance", r.mark}, {"ending the guest", r.end}}, files...)
	return append(steps, step{"removing the domain", r.undefine})
}

func (r *removing) mark(context.Context) error {
	if err := r.domain.SetAutostart(false); err != nil && !isWrongState(err) { // a transient domain has none
		return err
	}
	m := r.domain.mark
	m.State = stateDeleting
	return m.write(r.domain.Domain)
}

func (r *removing) end(context.Context) error { return stopped(r.domain.Destroy()) }

func (r *removing) removePorts(ctx context.Context) error {
	if len(r.Fabrics) == 0 {
		return nil
	}
	return removePortsOf(ctx, r.id)
}

func (r *removing) removeFiles(context.Context) error { return os.RemoveAll(r.instanceDir(r.id)) }

func (r *removing) undefine(context.Context) error {
	err := r.domain.UndefineFlags(virt.DOMAIN_UNDEFINE_MANAGED_SAVE | virt.DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
		virt.DOMAIN_UNDEFINE_CHECKPOINTS_METADATA | virt.DOMAIN_UNDEFINE_NVRAM)
	return stopped(err)
}
