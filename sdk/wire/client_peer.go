// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// ApplyPeer makes the peer as spec says, or begins to: then its phase is progressing.
func (c *Client) ApplyPeer(ctx context.Context, fence uint64, spec provider.PeerSpec) (provider.Peer, error) {
	resp, err := call(ctx, c.peers.ApplyPeer, &pb.ApplyPeerRequest{
		Command: CommandToProto(fence, spec.Tag), Spec: PeerSpecToProto(spec),
	})
	return convert(resp.GetPeer(), err, PeerFromProto)
}

// GetPeer reads the backend; fault.NoSuchObject if there is nothing.
func (c *Client) GetPeer(ctx context.Context, id string) (provider.Peer, error) {
	resp, err := call(ctx, c.peers.GetPeer, &pb.GetPeerRequest{Id: id, BackendHandle: provider.HandleFrom(ctx)})
	return convert(resp.GetPeer(), err, PeerFromProto)
}

// DeletePeer removes the peer, or begins to: then it is not gone yet, and what is observed is returned.
func (c *Client) DeletePeer(ctx context.Context, fence uint64, tag provider.Tag) (gone bool, observed provider.Observed, err error) {
	resp, err := call(ctx, c.peers.DeletePeer, &pb.DeletePeerRequest{Command: CommandToProto(fence, tag)})
	return deleted(resp.GetObserved(), err)
}

// ListPeers returns every peer with our tag.
func (c *Client) ListPeers(ctx context.Context) ([]provider.Peer, error) {
	return collect(ctx, c.peers.ListPeers, &pb.ListPeersRequest{},
		func(m *pb.ListPeersResponse) (provider.Peer, error) { return PeerFromProto(m.GetPeer()) })
}
