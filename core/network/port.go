// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"fmt"
	"io"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/operation"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// AddPort attaches an instance that is being created to a network: MAC, addresses, name. SubnetFull if the network has
// no address left. It runs in Redraw.
func (s *Service) AddPort(tx core.Tx, n core.Network, i core.Instance) (core.Port, error) {
	ports, err := portsOf(tx, n)
	if err != nil {
		return core.Port{}, err
	}
	var used []string
	for _, p := range ports {
		used = append(used, p.Addresses...)
	}
	for _, sub := range n.Status.Subnets {
		used = append(used, sub.Gateway)
	}
	p := core.Port{
		ID: s.newID(), Network: n.ID, NetworkName: n.Name, Instance: i.ID,
		DNSName: i.Name + "." + n.Status.Domain, Generation: 1,
	}
	if p.Addresses, err = assign(n.Status.Subnets, used); err != nil {
		return core.Port{}, full(n, err)
	}
	if p.MAC, err = drawMAC(s.random); err != nil {
		return core.Port{}, err
	}
	return p, tx.Ports().Insert(p)
}

// full says which network has no address left.
func full(n core.Network, err error) error {
	if fault.ReasonOf(err) != fault.SubnetFull {
		return err
	}
	return fault.New(fault.SubnetFull, "network %s is full: %w; delete instances or peers of it, or use another network", n.Name, err)
}

// drawMAC returns a random MAC in the range that virtual machines use.
func drawMAC(random io.Reader) (string, error) {
	var b [3]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("random MAC: %w", err)
	}
	return fmt.Sprintf("52:54:00:%02x:%02x:%02x", b[0], b[1], b[2]), nil
}

// Redraw repeats a request whose random MAC or handle was drawn before, which is rare: a few times are enough.
func Redraw(request func() error) error {
	for range 8 {
		err := request()
		if fault.ReasonOf(err) != fault.NameTaken {
			return err
		}
		if column := fault.Of(err).Metadata["column"]; column != "mac" && column != "handle" {
			return err
		}
	}
	return request()
}

// RemovePorts gives back what the ports of an instance hold. Their leases must be gone already, see DeletePorts.
func (s *Service) RemovePorts(tx core.Tx, instance string) error {
	ports, err := core.All(tx.Ports(), core.Query{Instance: instance}, portID)
	if err != nil {
		return err
	}
	for _, p := range ports {
		if err := tx.Ports().Delete(p.ID); err != nil {
			return err
		}
	}
	return nil
}

// ApplyPorts makes the leases and names of an instance's ports on the routers of their networks.
func (s *Service) ApplyPorts(ctx context.Context, r *operation.Run, instance core.Instance) error {
	for _, p := range instance.Status.Ports {
		on, err := s.locate(ctx, p.Network)
		if err != nil {
			return err
		}
		spec, err := portSpec(p, instance.Name)
		if err != nil {
			return err
		}
		if _, err := on.provider.ApplyPort(ctx, r.Fence, spec, r.Progress); err != nil {
			return err
		}
	}
	return nil
}

// DeletePorts removes the leases and names of an instance's ports.
func (s *Service) DeletePorts(ctx context.Context, r *operation.Run, instance core.Instance) error {
	for _, p := range instance.Status.Ports {
		on, err := s.locate(ctx, p.Network)
		if fault.ReasonOf(err) == fault.ProviderRevoked {
			continue // nobody can remove it there any more
		}
		if err != nil {
			return err
		}
		if err := on.provider.DeletePort(ctx, r.Fence, provider.Tag{ID: p.ID}, r.Progress); err != nil {
			return err
		}
	}
	return nil
}

func portSpec(p core.Port, hostname string) (provider.PortSpec, error) {
	spec := provider.PortSpec{NetworkID: p.Network, InstanceID: p.Instance, MAC: p.MAC, Hostname: hostname}
	var err error
	if spec.Addresses, err = addressesOf(p.Addresses); err != nil {
		return spec, err
	}
	spec.Tag, err = core.TagOf(p.ID, p.Generation, spec)
	return spec, err
}

func portsOf(tx core.Tx, n core.Network) ([]core.Port, error) {
	return core.All(tx.Ports(), core.Query{Parent: n.ID}, portID)
}

func portID(p core.Port) string { return p.ID }
