// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// The kinds of operation.
const (
	kindCreate     = "network.create"
	kindDelete     = "network.delete"
	kindCreatePeer = "peer.create"
	kindDeletePeer = "peer.delete"
)

// located is a network's spec and the provider that carries it: nil if the network was undone and is on no router.
type located struct {
	spec     provider.NetworkSpec
	provider core.NetworkProvider
}

// locate reads a network and finds its provider; ProviderAway if that is not attached.
func (s *Service) locate(ctx context.Context, id string) (located, error) {
	var at located
	var router core.Router
	err := s.store.View(ctx, func(tx core.Tx) error {
		n, err := tx.Networks().Get(id)
		if err != nil || n.Status.Router == "" {
			return err
		}
		if router, err = tx.Routers().Get(n.Status.Router); err != nil {
			return err
		}
		if err := core.NotRevoked(tx, router.Provider); err != nil {
			return err
		}
		at.spec, err = specOf(tx, n, router)
		return err
	})
	if err != nil || router.ID == "" {
		return at, err
	}
	at.provider, err = s.providers.Network(router.Provider)
	return at, err
}

// specOf resolves everything that the provider needs to know of a network.
func specOf(tx core.Tx, n core.Network, router core.Router) (provider.NetworkSpec, error) {
	project, err := tx.Projects().Get(n.Project)
	if err != nil {
		return provider.NetworkSpec{}, err
	}
	spec := provider.NetworkSpec{
		Project: project.Name, Name: n.Name, Handle: n.Status.Handle, RouterID: router.BackendID,
		Fabric: n.Status.Fabric, SegmentID: n.Status.SegmentID, Domain: n.Status.Domain,
		Egress: provider.Egress(n.Spec.Egress), MTU: n.Status.MTU,
	}
	if spec.Subnets, err = subnetsOf(n.Status.Subnets); err != nil {
		return spec, err
	}
	if wg := n.Status.WireGuard; wg != nil {
		spec.WireGuard = &provider.WireGuard{ListenPort: wg.ListenPort, MTU: wg.MTU}
		if spec.WireGuard.Subnets, err = subnetsOf(wg.Subnets); err != nil {
			return spec, err
		}
	}
	spec.Tag, err = core.TagOf(n.ID, n.Generation, spec)
	return spec, err
}

func subnetsOf(subnets []core.Subnet) ([]provider.Subnet, error) {
	var all []provider.Subnet
	for _, s := range subnets {
		cidr, err := netip.ParsePrefix(s.CIDR)
		if err != nil {
			return nil, fmt.Errorf("subnet in the store: %w", err)
		}
		gateway, err := netip.ParseAddr(s.Gateway)
		if err != nil {
			return nil, fmt.Errorf("gateway in the store: %w", err)
		}
		all = append(all, provider.Subnet{CIDR: cidr, Gateway: gateway})
	}
	return all, nil
}

func addressesOf(addresses []string) ([]netip.Addr, error) {
	var all []netip.Addr
	for _, text := range addresses {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("address in the store: %w", err)
		}
		all = append(all, a)
	}
	return all, nil
}
