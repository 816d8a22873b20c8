// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"

	"google.golang.org/grpc"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

type networkServer struct {
	pb.UnimplementedNetworkServiceServer
	e *Engine
}

func (s *networkServer) ApplyNetwork(ctx context.Context, req *pb.ApplyNetworkRequest) (*pb.ApplyNetworkResponse, error) {
	spec, err := wire.NetworkSpecFromProto(req.GetCommand(), req.GetSpec())
	if err != nil {
		return nil, wire.ToStatus(err)
	}
	o, err := s.e.networks.Apply(ctx, req.GetCommand().GetFence(), spec)
	if err != nil {
		return nil, s.e.status("apply network", err)
	}
	return &pb.ApplyNetworkResponse{Network: wire.NetworkToProto(o)}, nil
}

func (s *networkServer) GetNetwork(ctx context.Context, req *pb.GetNetworkRequest) (*pb.GetNetworkResponse, error) {
	o, err := s.e.networks.Get(withHandle(ctx, req), req.GetId())
	if err != nil {
		return nil, s.e.status("get network", err)
	}
	return &pb.GetNetworkResponse{Network: wire.NetworkToProto(o)}, nil
}

func (s *networkServer) DeleteNetwork(ctx context.Context, req *pb.DeleteNetworkRequest) (*pb.DeleteNetworkResponse, error) {
	o, err := s.e.networks.Delete(withHandle(ctx, req.GetCommand()), req.GetCommand().GetFence(), req.GetCommand().GetId())
	if err != nil {
		return nil, s.e.status("delete network", err)
	}
	return &pb.DeleteNetworkResponse{Observed: observedToProto(o)}, nil
}

func (s *networkServer) ListNetworks(_ *pb.ListNetworksRequest, stream grpc.ServerStreamingServer[pb.ListNetworksResponse]) error {
	return s.e.networks.List(stream.Context(), func(o provider.Network) error {
		return stream.Send(&pb.ListNetworksResponse{Network: wire.NetworkToProto(o)})
	})
}

func (s *networkServer) ListRouters(ctx context.Context, _ *pb.ListRoutersRequest) (*pb.ListRoutersResponse, error) {
	routers, err := listed(ctx, s.e, "list routers", s.e.author.(provider.Networks).ListRouters)
	if err != nil {
		return nil, err
	}
	out := &pb.ListRoutersResponse{}
	for _, r := range routers {
		out.Routers = append(out.Routers, wire.RouterToProto(r))
	}
	return out, nil
}
