// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"strconv"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// NetworkSpecToProto converts all but the tag, which travels as a Command.
func NetworkSpecToProto(s provider.NetworkSpec) *pb.NetworkSpec {
	out := &pb.NetworkSpec{
		Project: s.Project, Name: s.Name, Handle: s.Handle, RouterId: s.RouterID, Fabric: s.Fabric,
		SegmentId: unsigned(s.SegmentID), Subnets: subnetsToProto(s.Subnets), Domain: s.Domain,
		Egress: egresses[s.Egress], Mtu: unsigned(s.MTU),
	}
	if w := s.WireGuard; w != nil {
		out.Wireguard = &pb.WireGuard{
			ListenPort: unsigned(w.ListenPort), Subnets: subnetsToProto(w.Subnets), Mtu: unsigned(w.MTU),
		}
	}
	return out
}

// NetworkSpecFromProto is the inverse of NetworkSpecToProto and CommandToProto. fault.InvalidField if an address or
// prefix cannot be parsed.
func NetworkSpecFromProto(c *pb.Command, s *pb.NetworkSpec) (provider.NetworkSpec, error) {
	var p parser
	out := provider.NetworkSpec{
		Tag:     CommandFromProto(c),
		Project: s.GetProject(), Name: s.GetName(), Handle: s.GetHandle(), RouterID: s.GetRouterId(), Fabric: s.GetFabric(),
		SegmentID: int(s.GetSegmentId()), Subnets: p.subnets("/subnets", s.GetSubnets()), Domain: s.GetDomain(),
		Egress: name(egresses, s.GetEgress()), MTU: int(s.GetMtu()),
	}
	if w := s.GetWireguard(); w != nil {
		out.WireGuard = &provider.WireGuard{
			ListenPort: int(w.GetListenPort()), Subnets: p.subnets("/wireguard/subnets", w.GetSubnets()), MTU: int(w.GetMtu()),
		}
	}
	return out, p.err()
}

func subnetsToProto(subnets []provider.Subnet) []*pb.Subnet {
	var out []*pb.Subnet
	for _, s := range subnets {
		out = append(out, &pb.Subnet{Cidr: prefixText(s.CIDR), Gateway: addrText(s.Gateway)})
	}
	return out
}

func (p *parser) subnets(field string, subnets []*pb.Subnet) []provider.Subnet {
	var out []provider.Subnet
	for i, s := range subnets {
		at := field + "/" + strconv.Itoa(i)
		out = append(out, provider.Subnet{
			CIDR: p.prefix(at+"/cidr", s.GetCidr()), Gateway: p.addr(at+"/gateway", s.GetGateway()),
		})
	}
	return out
}

// NetworkToProto converts what is reported of a network.
func NetworkToProto(n provider.Network) *pb.Network {
	return &pb.Network{Observed: ObservedToProto(n.Observed), WireguardPublicKey: n.WireGuardPublicKey}
}

// NetworkFromProto is the inverse of NetworkToProto.
func NetworkFromProto(n *pb.Network) (provider.Network, error) {
	return provider.Network{Observed: ObservedFromProto(n.GetObserved()), WireGuardPublicKey: n.GetWireguardPublicKey()}, nil
}

// RouterToProto converts a machine that carries networks.
func RouterToProto(r provider.Router) *pb.Router {
	out := &pb.Router{
		Id: r.ID, Name: r.Name, Fabrics: r.Fabrics, DelegatedPrefixes: prefixTexts(r.DelegatedPrefixes),
		Mtu: unsigned(r.MTU), MaxNetworks: unsigned(r.MaxNetworks), Labels: r.Labels,
	}
	if e := r.Endpoint; e != nil {
		out.Endpoint = &pb.Endpoint{
			Host: e.Host, PortMin: unsigned(e.PortMin), PortMax: unsigned(e.PortMax), OutsidePortMin: unsigned(e.OutsidePortMin),
		}
	}
	return out
}

// RouterFromProto is the inverse of RouterToProto. fault.InvalidField if a prefix cannot be parsed.
func RouterFromProto(r *pb.Router) (provider.Router, error) {
	var p parser
	out := provider.Router{
		ID: r.GetId(), Name: r.GetName(), Fabrics: r.GetFabrics(),
		DelegatedPrefixes: p.prefixes("/delegated_prefixes", r.GetDelegatedPrefixes()),
		MTU:               int(r.GetMtu()), MaxNetworks: int(r.GetMaxNetworks()), Labels: r.GetLabels(),
	}
	if e := r.GetEndpoint(); e != nil {
		out.Endpoint = &provider.Endpoint{
			Host: e.GetHost(), PortMin: int(e.GetPortMin()), PortMax: int(e.GetPortMax()), OutsidePortMin: int(e.GetOutsidePortMin()),
		}
	}
	return out, p.err()
}
