// SPDX-License-Identifier: Apache-2.0

package wire

import (
	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// ForwardSpecToProto converts all but the tag, which travels as a Command.
func ForwardSpecToProto(s provider.ForwardSpec) *pb.ForwardSpec {
	return &pb.ForwardSpec{
		NetworkId: s.NetworkID, Protocol: protocols[s.Protocol], PortMin: unsigned(s.PortMin), PortMax: unsigned(s.PortMax),
		TargetAddress: addrText(s.TargetAddress), TargetPort: unsigned(s.TargetPort),
	}
}

// ForwardSpecFromProto is the inverse of ForwardSpecToProto and CommandToProto. fault.InvalidField if the address cannot
// be parsed.
func ForwardSpecFromProto(c *pb.Command, s *pb.ForwardSpec) (provider.ForwardSpec, error) {
	var p parser
	out := provider.ForwardSpec{
		Tag:       CommandFromProto(c),
		NetworkID: s.GetNetworkId(), Protocol: name(protocols, s.GetProtocol()), PortMin: int(s.GetPortMin()), PortMax: int(s.GetPortMax()),
		TargetAddress: p.addr("/target_address", s.GetTargetAddress()), TargetPort: int(s.GetTargetPort()),
	}
	return out, p.err()
}

// ForwardToProto converts what is reported of a forward.
func ForwardToProto(f provider.Forward) *pb.Forward {
	return &pb.Forward{Observed: ObservedToProto(f.Observed), NetworkId: f.NetworkID}
}

// ForwardFromProto is the inverse of ForwardToProto.
func ForwardFromProto(f *pb.Forward) (provider.Forward, error) {
	return provider.Forward{Observed: ObservedFromProto(f.GetObserved()), NetworkID: f.GetNetworkId()}, nil
}
