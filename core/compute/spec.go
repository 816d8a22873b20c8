// SPDX-License-Identifier: Apache-2.0

package compute

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// located is an instance's spec and the provider of its host: nil if the instance was undone and is on no host.
type located struct {
	spec     provider.InstanceSpec
	provider core.ComputeProvider
}

// locate reads an instance and finds its provider; ProviderAway if that is not attached.
func (s *Service) locate(ctx context.Context, id string) (located, error) {
	var at located
	var host core.Host
	err := s.store.View(ctx, func(tx core.Tx) error {
		i, err := tx.Instances().Get(id)
		if err != nil || i.Status.Host == "" {
			return err
		}
		if host, err = tx.Hosts().Get(i.Status.Host); err != nil {
			return err
		}
		if err := core.NotRevoked(tx, host.Provider); err != nil {
			return err
		}
		at.spec, err = specOf(tx, i, host)
		return err
	})
	if err != nil || host.ID == "" {
		return at, err
	}
	at.provider, err = s.providers.Compute(host.Provider)
	return at, err
}

func (s *Service) read(ctx context.Context, id string) (i core.Instance, err error) {
	err = s.store.View(ctx, func(tx core.Tx) error {
		i, err = tx.Instances().Get(id)
		return err
	})
	return i, err
}

// specOf resolves everything that the provider needs to know of an instance.
func specOf(tx core.Tx, i core.Instance, host core.Host) (provider.InstanceSpec, error) {
	project, err := tx.Projects().Get(i.Project)
	if err != nil {
		return provider.InstanceSpec{}, err
	}
	spec := provider.InstanceSpec{
		Project: project.Name, Name: i.Name, HostID: host.BackendID, Kind: provider.InstanceKind(i.Spec.Kind),
		VCPUs: i.Spec.VCPUs, MemoryBytes: i.Spec.MemoryBytes, DiskBytes: i.Spec.DiskBytes,
		CommandLine: i.Spec.CommandLine, Power: provider.PowerState(i.Spec.Power),
	}
	if spec.Image, err = imageRef(tx, project, i.Spec.Image); err != nil {
		return spec, err
	}
	if i.Spec.Initrd != "" {
		initrd, err := imageRef(tx, project, i.Spec.Initrd)
		if err != nil {
			return spec, err
		}
		spec.Initrd = &initrd
	}
	attached, err := attachments(tx, i)
	if err != nil {
		return spec, err
	}
	for _, a := range attached {
		spec.NICs = append(spec.NICs, a.nic())
	}
	if i.Spec.CloudInit != nil {
		spec.CloudInit = seed(i, attached)
	}
	spec.Tag, err = core.TagOf(i.ID, i.Generation, spec)
	return spec, err
}

func imageRef(tx core.Tx, p core.Project, ref string) (provider.ImageRef, error) {
	i, err := core.FindImage(tx, p, ref)
	return provider.ImageRef{
		SHA256: i.Status.SHA256, Format: provider.ImageFormat(i.Spec.Format), SizeBytes: i.Status.SizeBytes,
	}, err
}

// attachment is a port with its network.
type attachment struct {
	port      core.Port
	network   core.Network
	addresses []netip.Prefix // with the length of their subnets
}

func attachments(tx core.Tx, i core.Instance) ([]attachment, error) {
	var all []attachment
	for _, p := range i.Status.Ports {
		n, err := tx.Networks().Get(p.Network)
		if err != nil {
			return nil, err
		}
		a := attachment{port: p, network: n}
		if a.addresses, err = inSubnets(p.Addresses, n.Status.Subnets); err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// inSubnets gives addresses the lengths of the subnets that they are in.
func inSubnets(addresses []string, subnets []core.Subnet) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range addresses {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("address in the store: %w", err)
		}
		for _, s := range subnets {
			p, err := netip.ParsePrefix(s.CIDR)
			if err != nil {
				return nil, fmt.Errorf("subnet in the store: %w", err)
			}
			if p.Contains(a) {
				all = append(all, netip.PrefixFrom(a, p.Bits()))
			}
		}
	}
	return all, nil
}

func (a attachment) nic() provider.NIC {
	nic := provider.NIC{
		PortID: a.port.ID, NetworkID: a.network.ID, Fabric: a.network.Status.Fabric,
		SegmentID: a.network.Status.SegmentID, MAC: a.port.MAC, MTU: a.network.Status.MTU,
	}
	for _, p := range a.addresses {
		nic.Addresses = append(nic.Addresses, p.Addr())
	}
	return nic
}
