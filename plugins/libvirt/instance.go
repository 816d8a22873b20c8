// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// GetInstance implements provider.Instances.
func (p *Provider) GetInstance(ctx context.Context, id string) (provider.Instance, error) {
	if !isID(id) {
		return provider.Instance{}, noInstance(id)
	}
	return look(ctx, p, func(b *backend, l *link) (provider.Instance, error) {
		d, err := find(l, id)
		switch {
		case err == nil:
			defer d.free()
			return d.observe(b.Host.ID)
		case !isNoObject(err) && !isForeign(err):
			return provider.Instance{}, err
		}
		left, err := exists(b.instanceDir(id))
		if err != nil || !left {
			return provider.Instance{}, errors.Join(err, noInstance(id))
		}
		return leftover(id, b.Host.ID), nil
	})
}

// ListInstances implements provider.Instances.
func (p *Provider) ListInstances(ctx context.Context) ([]provider.Instance, error) {
	return look(ctx, p, func(b *backend, l *link) ([]provider.Instance, error) {
		// The domain is there before its directory and after it. So a directory that was seen before the domains, and
		// is still there after them, is a leftover if no domain goes with it.
		directories, err := os.ReadDir(b.instancesDir())
		if err != nil {
			return nil, err
		}
		var instances []provider.Instance
		known := map[string]bool{}
		err = each(l, func(d *domain) error {
			i, err := d.observe(b.Host.ID)
			if err == nil {
				instances = append(instances, i)
			}
			known[d.mark.ID] = true
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, entry := range directories {
			id := entry.Name()
			if known[id] || !isID(id) {
				continue
			}
			left, err := exists(b.instanceDir(id))
			if err != nil {
				return nil, err
			}
			if left {
				instances = append(instances, leftover(id, b.Host.ID))
			}
		}
		return instances, nil
	})
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func noInstance(id string) error {
	return fault.New(fault.NoSuchObject, "there is no instance %s", id)
}

// step is a part of the work. Each may be repeated.
type step struct {
	name string // for people
	do   func(context.Context) error
}

// walk does the steps in order, and stops between two of them when ctx ends.
func walk(ctx context.Context, progress provider.Progress, steps []step) error {
	for i, s := range steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		progress(s.name, i*100/len(steps))
		if err := s.do(ctx); err != nil {
			return err
		}
	}
	return nil
}
