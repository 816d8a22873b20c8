// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"context"
	"maps"
	"slices"
	"syscall"

	virt "libvirt.org/go/libvirt"
	"libvirt.org/go/libvirtxml"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// architecture of the domains that we define.
const architecture = "x86_64"

// ListHosts implements provider.Instances: this machine.
func (p *Provider) ListHosts(ctx context.Context) ([]provider.Host, error) {
	return look(ctx, p, func(b *backend, l *link) ([]provider.Host, error) {
		node, err := l.GetNodeInfo()
		if err != nil {
			return nil, err
		}
		disk, err := b.disk()
		if err != nil {
			return nil, err
		}
		return []provider.Host{{
			ID:   b.Host.ID,
			Name: b.Host.Name,
			Capacity: map[string]int64{
				provider.UnitVCPUs:       int64(float64(node.Cpus) * b.VCPUOvercommit),
				provider.UnitMemoryBytes: b.memory(node),
				provider.UnitDiskBytes:   disk,
			},
			Fabrics:      slices.Sorted(maps.Keys(b.Fabrics)),
			Labels:       maps.Clone(b.Host.Labels),
			Architecture: node.Model,
		}}, nil
	})
}

// memory is what the machine has for guests, in all.
func (c config) memory(node *virt.NodeInfo) int64 {
	return max(int64(node.Memory)<<10-c.ReservedMemoryBytes, 0)
}

// disk is what the file system of the data has for guests, in all.
func (c config) disk() (int64, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(c.DataDir, &fs); err != nil {
		return 0, err
	}
	return max(int64(fs.Blocks)*fs.Bsize-c.ReservedDiskBytes, 0), nil
}

// findDomainType says whether guests run by KVM here, or by emulation.
func (l *link) findDomainType() (string, error) {
	text, err := l.GetCapabilities()
	if err != nil {
		return "", err
	}
	var caps libvirtxml.Caps
	if err := caps.Unmarshal(text); err != nil {
		return "", err
	}
	found := ""
	for _, guest := range caps.Guests {
		if guest.OSType != "hvm" || guest.Arch.Name != architecture {
			continue
		}
		for _, domain := range guest.Arch.Domains {
			if domain.Type == typeKVM || domain.Type == typeQEMU && found == "" {
				found = domain.Type
			}
		}
	}
	if found == "" {
		return "", fault.New(fault.BackendRefused, "libvirt on this host runs no %s guests; install qemu-system-x86", architecture)
	}
	return found, nil
}
