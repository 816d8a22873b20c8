// SPDX-License-Identifier: Apache-2.0

package wire

import (
	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// PortSpecToProto converts all but the tag, which travels as a Command.
func PortSpecToProto(s provider.PortSpec) *pb.PortSpec {
	return &pb.PortSpec{
		NetworkId: s.NetworkID, InstanceId: s.InstanceID, Mac: s.MAC, Addresses: addrTexts(s.Addresses), Hostname: s.Hostname,
	}
}

// PortSpecFromProto is the inverse of PortSpecToProto and CommandToProto. fault.InvalidField if an address cannot be
// parsed.
func PortSpecFromProto(c *pb.Command, s *pb.PortSpec) (provider.PortSpec, error) {
	var p parser
	out := provider.PortSpec{
		Tag:       CommandFromProto(c),
		NetworkID: s.GetNetworkId(), InstanceID: s.GetInstanceId(), MAC: s.GetMac(),
		Addresses: p.addrs("/addresses", s.GetAddresses()), Hostname: s.GetHostname(),
	}
	return out, p.err()
}

// PortToProto converts what is reported of a port.
func PortToProto(p provider.Port) *pb.Port {
	return &pb.Port{Observed: ObservedToProto(p.Observed), NetworkId: p.NetworkID}
}

// PortFromProto is the inverse of PortToProto.
func PortFromProto(p *pb.Port) (provider.Port, error) {
	return provider.Port{Observed: ObservedFromProto(p.GetObserved()), NetworkID: p.GetNetworkId()}, nil
}
