// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// project of everything that the cases make.
const project = "conformance"

// instanceSpec is an instance without network: what carries it is not this provider's.
func (s *Session) instanceSpec() provider.InstanceSpec {
	p := s.params.Instance
	return provider.InstanceSpec{
		Tag: s.newTag(), Project: project, Name: "instance", HostID: s.host.ID, Kind: p.Kind, VCPUs: p.VCPUs,
		MemoryBytes: p.MemoryBytes, Image: s.image, CommandLine: p.CommandLine, Power: provider.PowerRunning,
	}
}

// networkSpec is a network of its own range, segment and port. It has an endpoint for peers where the router has one.
func (s *Session) networkSpec() provider.NetworkSpec {
	n := s.network
	s.network++
	tag := s.newTag()
	spec := provider.NetworkSpec{
		Tag: tag, Project: project, Name: fmt.Sprintf("network-%d", n), Handle: tag.ID[len(tag.ID)-8:],
		RouterID: s.router.ID, Fabric: s.params.Network.Fabric, SegmentID: s.params.Network.segment(n),
		Domain: fmt.Sprintf("network-%d.conformance.rhyzome.internal", n), Egress: provider.EgressNAT, MTU: 1400,
		Subnets: []provider.Subnet{s.params.Network.subnet4(2 * n), s.params.Network.subnet6(2 * n)},
	}
	if e := s.router.Endpoint; e != nil {
		spec.WireGuard = &provider.WireGuard{
			ListenPort: e.PortMin + n%(e.PortMax-e.PortMin+1), MTU: 1340,
			Subnets: []provider.Subnet{s.params.Network.subnet4(2*n + 1), s.params.Network.subnet6(2*n + 1)},
		}
	}
	return spec
}

// makeNetwork makes a network for others to stand on.
func (s *Session) makeNetwork(ctx context.Context) (provider.NetworkSpec, error) {
	spec := s.networkSpec()
	_, err := s.make(ctx, networkKind(), applyNetwork(spec))
	return spec, err
}

func (s *Session) portSpec(n provider.NetworkSpec) provider.PortSpec {
	spec := provider.PortSpec{
		Tag: s.newTag(), NetworkID: n.ID, InstanceID: s.runner.NewID(), Hostname: "instance", MAC: "52:54:00:c0:f0:01",
	}
	for _, subnet := range n.Subnets {
		spec.Addresses = append(spec.Addresses, subnet.Gateway.Next())
	}
	return spec
}

func (s *Session) peerSpec(n provider.NetworkSpec) (provider.PeerSpec, error) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return provider.PeerSpec{}, err
	}
	if n.WireGuard == nil {
		return provider.PeerSpec{}, fmt.Errorf("router %s declares no endpoint, and so cannot have peers", s.router.ID)
	}
	spec := provider.PeerSpec{
		Tag: s.newTag(), NetworkID: n.ID, PublicKey: base64.StdEncoding.EncodeToString(key.PublicKey().Bytes()),
	}
	for _, subnet := range n.WireGuard.Subnets {
		spec.Addresses = append(spec.Addresses, subnet.Gateway.Next())
	}
	return spec, nil
}

func applyInstance(spec provider.InstanceSpec) draft {
	return draft{spec.Tag, func(ctx context.Context, c *wire.Client, fence uint64, tag provider.Tag) (provider.Observed, error) {
		spec := spec
		spec.Tag = tag
		i, err := c.ApplyInstance(ctx, fence, spec)
		return i.Observed, err
	}, func(tag provider.Tag) provider.AnySpec {
		spec := spec
		spec.Tag = tag
		return provider.AnySpec{Instance: &spec}
	}}
}

func applyNetwork(spec provider.NetworkSpec) draft {
	return draft{spec.Tag, func(ctx context.Context, c *wire.Client, fence uint64, tag provider.Tag) (provider.Observed, error) {
		spec := spec
		spec.Tag = tag
		n, err := c.ApplyNetwork(ctx, fence, spec)
		return n.Observed, err
	}, func(tag provider.Tag) provider.AnySpec {
		spec := spec
		spec.Tag = tag
		return provider.AnySpec{Network: &spec}
	}}
}

func applyPort(spec provider.PortSpec) draft {
	return draft{spec.Tag, func(ctx context.Context, c *wire.Client, fence uint64, tag provider.Tag) (provider.Observed, error) {
		spec := spec
		spec.Tag = tag
		p, err := c.ApplyPort(ctx, fence, spec)
		return p.Observed, err
	}, func(tag provider.Tag) provider.AnySpec {
		spec := spec
		spec.Tag = tag
		return provider.AnySpec{Port: &spec}
	}}
}

func applyPeer(spec provider.PeerSpec) draft {
	return draft{spec.Tag, func(ctx context.Context, c *wire.Client, fence uint64, tag provider.Tag) (provider.Observed, error) {
		spec := spec
		spec.Tag = tag
		p, err := c.ApplyPeer(ctx, fence, spec)
		return p.Observed, err
	}, func(tag provider.Tag) provider.AnySpec {
		spec := spec
		spec.Tag = tag
		return provider.AnySpec{Peer: &spec}
	}}
}
