// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"

	"google.golang.org/grpc"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

type peerServer struct {
	pb.UnimplementedPeerServiceServer
	e *Engine
}

func (s *peerServer) ApplyPeer(ctx context.Context, req *pb.ApplyPeerRequest) (*pb.ApplyPeerResponse, error) {
	spec, err := wire.PeerSpecFromProto(req.GetCommand(), req.GetSpec())
	if err != nil {
		return nil, wire.ToStatus(err)
	}
	o, err := s.e.peers.Apply(ctx, req.GetCommand().GetFence(), spec)
	if err != nil {
		return nil, s.e.status("apply peer", err)
	}
	return &pb.ApplyPeerResponse{Peer: wire.PeerToProto(o)}, nil
}

func (s *peerServer) GetPeer(ctx context.Context, req *pb.GetPeerRequest) (*pb.GetPeerResponse, error) {
	o, err := s.e.peers.Get(withHandle(ctx, req), req.GetId())
	if err != nil {
		return nil, s.e.status("get peer", err)
	}
	return &pb.GetPeerResponse{Peer: wire.PeerToProto(o)}, nil
}

func (s *peerServer) DeletePeer(ctx context.Context, req *pb.DeletePeerRequest) (*pb.DeletePeerResponse, error) {
	o, err := s.e.peers.Delete(withHandle(ctx, req.GetCommand()), req.GetCommand().GetFence(), req.GetCommand().GetId())
	if err != nil {
		return nil, s.e.status("delete peer", err)
	}
	return &pb.DeletePeerResponse{Observed: observedToProto(o)}, nil
}

func (s *peerServer) ListPeers(_ *pb.ListPeersRequest, stream grpc.ServerStreamingServer[pb.ListPeersResponse]) error {
	return s.e.peers.List(stream.Context(), func(o provider.Peer) error {
		return stream.Send(&pb.ListPeersResponse{Peer: wire.PeerToProto(o)})
	})
}
