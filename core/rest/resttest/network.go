// SPDX-License-Identifier: Apache-2.0

package resttest

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// networks is the use cases of networks and of their peers.
type networks struct{ *Cloud }

func (c networks) Create(_ context.Context, project string, req core.New, spec core.NetworkSpec) (core.Network, core.Operation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.projects.find("", project)
	if err != nil {
		return core.Network{}, core.Operation{}, err
	}
	if err := c.acceptable(p.ID, req, spec); err != nil {
		return core.Network{}, core.Operation{}, err
	}
	n := core.Network{Meta: c.meta(req), Project: p.ID, Spec: spec}
	vlan := 100 + len(c.networks.rows)
	cidr := spec.IPv4CIDR
	if cidr == "" {
		cidr = fmt.Sprintf("10.%d.0.0/24", vlan)
	}
	n.Status = core.NetworkStatus{
		State: core.NetworkBuilding, Handle: fmt.Sprintf("net%05d", vlan), Fabric: "lab", SegmentID: vlan,
		Router: c.routers.rows[0].ID, Domain: req.Name + "." + p.Name + ".rhyzome.internal", MTU: 1500,
		Subnets: []core.Subnet{{CIDR: cidr, Gateway: netip.MustParsePrefix(cidr).Addr().Next().String()}},
		WireGuard: &core.WireGuardStatus{
			Endpoint: fmt.Sprintf("vpn.example:%d", 51720+vlan), ListenPort: 51720 + vlan, MTU: 1420,
			Subnets: []core.Subnet{{CIDR: fmt.Sprintf("10.%d.1.0/24", vlan), Gateway: fmt.Sprintf("10.%d.1.1", vlan)}},
		},
	}
	op := c.accept("network.create", p.ID, core.ResourceRef{Kind: "network", ID: n.ID, Name: n.Name})
	n.Status.Operation = op.ID
	c.networks.add(p.ID, n)
	return n, op, nil
}

func (c networks) acceptable(project string, req core.New, spec core.NetworkSpec) error {
	wrong := req.Check()
	if spec.IPv4CIDR != "" {
		if _, err := netip.ParsePrefix(spec.IPv4CIDR); err != nil {
			wrong = append(wrong, fault.Invalid("/spec/ipv4_cidr", "%q is not a range such as 10.20.0.0/24", spec.IPv4CIDR))
		}
	}
	if err := fault.Join(wrong...); err != nil {
		return err
	}
	return c.networks.free(project, req.Name)
}

func (c networks) List(_ context.Context, project string, page core.Page) ([]core.Network, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.projects.find("", project)
	if err != nil {
		return nil, "", err
	}
	return c.networks.page(p.ID, page)
}

func (c networks) Get(_ context.Context, project, network string) (core.Network, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.find(project, network)
	if err != nil {
		return core.Network{}, err
	}
	return *n, nil
}

func (c networks) Delete(_ context.Context, project, network string) (core.Operation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.find(project, network)
	if err != nil {
		return core.Operation{}, err
	}
	if !c.peers.empty(n.ID) {
		return core.Operation{}, fault.New(fault.HasChildren, "peers are on the network %s", n.Name)
	}
	n.Status.State = core.NetworkDeleting
	return c.accept("network.delete", n.Project, core.ResourceRef{Kind: "network", ID: n.ID, Name: n.Name}), nil
}

func (c networks) find(project, network string) (*core.Network, error) {
	p, err := c.projects.find("", project)
	if err != nil {
		return nil, err
	}
	return c.networks.find(p.ID, network)
}

func (c networks) CreatePeer(_ context.Context, project, network string, req core.New, spec core.PeerSpec) (core.Peer, core.Operation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.find(project, network)
	if err != nil {
		return core.Peer{}, core.Operation{}, err
	}
	if err := checked(req); err != nil {
		return core.Peer{}, core.Operation{}, err
	}
	if err := c.peers.free(n.ID, req.Name); err != nil {
		return core.Peer{}, core.Operation{}, err
	}
	p := core.Peer{Meta: c.meta(req), Project: n.Project, Network: n.ID, Spec: spec, Status: core.PeerStatus{
		State: core.PeerBuilding, Addresses: []string{fmt.Sprintf("10.%d.1.%d", n.Status.SegmentID, 2+len(c.peers.rows))},
		AllowedIPs: []string{n.Status.Subnets[0].CIDR}, DNS: []string{n.Status.Subnets[0].Gateway},
	}}
	op := c.accept("peer.create", n.Project, core.ResourceRef{Kind: "peer", ID: p.ID, Name: p.Name})
	p.Status.Operation = op.ID
	c.peers.add(n.ID, p)
	return p, op, nil
}

func (c networks) ListPeers(_ context.Context, project, network string, page core.Page) ([]core.Peer, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.find(project, network)
	if err != nil {
		return nil, "", err
	}
	return c.peers.page(n.ID, page)
}

func (c networks) GetPeer(_ context.Context, project, network, peer string) (core.Peer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.findPeer(project, network, peer)
	if err != nil {
		return core.Peer{}, err
	}
	return *p, nil
}

func (c networks) DeletePeer(_ context.Context, project, network, peer string) (core.Operation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.findPeer(project, network, peer)
	if err != nil {
		return core.Operation{}, err
	}
	p.Status.State = core.PeerDeleting
	return c.accept("peer.delete", p.Project, core.ResourceRef{Kind: "peer", ID: p.ID, Name: p.Name}), nil
}

func (c networks) PeerConfig(_ context.Context, project, network, peer string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.findPeer(project, network, peer)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("[Interface]\nPrivateKey = PRIVATE_KEY\nAddress = %s\n", p.Status.Addresses[0]), nil
}

func (c networks) findPeer(project, network, peer string) (*core.Peer, error) {
	n, err := c.find(project, network)
	if err != nil {
		return nil, err
	}
	return c.peers.find(n.ID, peer)
}
