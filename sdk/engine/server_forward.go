// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"

	"google.golang.org/grpc"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

type forwardServer struct {
	pb.UnimplementedForwardServiceServer
	e *Engine
}

func (s *forwardServer) ApplyForward(ctx context.Context, req *pb.ApplyForwardRequest) (*pb.ApplyForwardResponse, error) {
	spec, err := wire.ForwardSpecFromProto(req.GetCommand(), req.GetSpec())
	if err != nil {
		return nil, wire.ToStatus(err)
	}
	o, err := s.e.forwards.Apply(ctx, req.GetCommand().GetFence(), spec)
	if err != nil {
		return nil, s.e.status("apply forward", err)
	}
	return &pb.ApplyForwardResponse{Forward: wire.ForwardToProto(o)}, nil
}

func (s *forwardServer) GetForward(ctx context.Context, req *pb.GetForwardRequest) (*pb.GetForwardResponse, error) {
	o, err := s.e.forwards.Get(withHandle(ctx, req), req.GetId())
	if err != nil {
		return nil, s.e.status("get forward", err)
	}
	return &pb.GetForwardResponse{Forward: wire.ForwardToProto(o)}, nil
}

func (s *forwardServer) DeleteForward(ctx context.Context, req *pb.DeleteForwardRequest) (*pb.DeleteForwardResponse, error) {
	o, err := s.e.forwards.Delete(withHandle(ctx, req.GetCommand()), req.GetCommand().GetFence(), req.GetCommand().GetId())
	if err != nil {
		return nil, s.e.status("delete forward", err)
	}
	return &pb.DeleteForwardResponse{Observed: observedToProto(o)}, nil
}

func (s *forwardServer) ListForwards(_ *pb.ListForwardsRequest, stream grpc.ServerStreamingServer[pb.ListForwardsResponse]) error {
	return s.e.forwards.List(stream.Context(), func(o provider.Forward) error {
		return stream.Send(&pb.ListForwardsResponse{Forward: wire.ForwardToProto(o)})
	})
}
