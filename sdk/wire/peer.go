// SPDX-License-Identifier: Apache-2.0

package wire

import (
	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// PeerSpecToProto converts all but the tag, which travels as a Command.
func PeerSpecToProto(s provider.PeerSpec) *pb.PeerSpec {
	return &pb.PeerSpec{NetworkId: s.NetworkID, PublicKey: s.PublicKey, Addresses: addrTexts(s.Addresses)}
}

// PeerSpecFromProto is the inverse of PeerSpecToProto and CommandToProto. fault.InvalidField if an address cannot be
// parsed.
func PeerSpecFromProto(c *pb.Command, s *pb.PeerSpec) (provider.PeerSpec, error) {
	var p parser
	out := provider.PeerSpec{
		Tag:       CommandFromProto(c),
		NetworkID: s.GetNetworkId(), PublicKey: s.GetPublicKey(), Addresses: p.addrs("/addresses", s.GetAddresses()),
	}
	return out, p.err()
}

// PeerToProto converts what is reported of a peer.
func PeerToProto(p provider.Peer) *pb.Peer {
	return &pb.Peer{
		Observed: ObservedToProto(p.Observed), NetworkId: p.NetworkID, LastHandshakeUnix: p.LastHandshake,
		ReceivedBytes: p.ReceivedBytes, SentBytes: p.SentBytes,
	}
}

// PeerFromProto is the inverse of PeerToProto.
func PeerFromProto(p *pb.Peer) (provider.Peer, error) {
	return provider.Peer{
		Observed: ObservedFromProto(p.GetObserved()), NetworkID: p.GetNetworkId(), LastHandshake: p.GetLastHandshakeUnix(),
		ReceivedBytes: p.GetReceivedBytes(), SentBytes: p.GetSentBytes(),
	}, nil
}
