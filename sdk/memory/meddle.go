// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"os"
	"strings"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Remove takes an object away behind the provider's back, as somebody may who has access to the backend.
func (b *Backend) Remove(kind provider.Kind, id string) error {
	return b.change(kind, id, func(d *data) error { return d.meddle(kind, id, true, "") })
}

// Rename calls an instance or a network otherwise, behind the provider's back. It keeps its tag.
func (b *Backend) Rename(kind provider.Kind, id, name string) error {
	return b.change(kind, id, func(d *data) error { return d.meddle(kind, id, false, name) })
}

func (d *data) meddle(kind provider.Kind, id string, remove bool, name string) error {
	i, isInstance := d.Instances[id]
	n, isNetwork := d.Networks[id]
	switch {
	case isInstance && kind == provider.KindInstance && remove:
		delete(d.Instances, id)
	case isInstance && kind == provider.KindInstance:
		i.Name = name
		d.Instances[id] = i
	case isNetwork && kind == provider.KindNetwork && remove:
		delete(d.Networks, id)
	case isNetwork && kind == provider.KindNetwork:
		n.Name = name
		d.Networks[id] = n
	default:
		return missing(kind, id)
	}
	return nil
}

// named calls an object as somebody named it, if anybody did.
func named(o provider.Observed, name string) provider.Observed {
	if name != "" {
		o.BackendRef = name
	}
	return o
}

// meddled does once what the meddle file says: "remove instance ID" or "rename network ID NAME" in a line.
func (b *Backend) meddled() error {
	b.mu.Lock()
	path := b.meddleFile
	b.mu.Unlock()
	if !exists(path) {
		return nil
	}
	claimed := path + ".done"
	if os.Rename(path, claimed) != nil {
		return nil // somebody else does it
	}
	content, err := os.ReadFile(claimed)
	if err != nil {
		return fault.New(fault.BackendDown, "the meddle file cannot be read")
	}
	for line := range strings.Lines(string(content)) {
		switch f := strings.Fields(line); {
		case len(f) == 3 && f[0] == "remove":
			err = b.Remove(provider.Kind(f[1]), f[2])
		case len(f) == 4 && f[0] == "rename":
			err = b.Rename(provider.Kind(f[1]), f[2], f[3])
		default:
			err = fault.New(fault.BackendDown, "the meddle file says what nobody can do")
		}
		if err != nil {
			return err
		}
	}
	return nil
}
