// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"

	"google.golang.org/grpc"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

type portServer struct {
	pb.UnimplementedPortServiceServer
	e *Engine
}

func (s *portServer) ApplyPort(ctx context.Context, req *pb.ApplyPortRequest) (*pb.ApplyPortResponse, error) {
	spec, err := wire.PortSpecFromProto(req.GetCommand(), req.GetSpec())
	if err != nil {
		return nil, wire.ToStatus(err)
	}
	o, err := s.e.ports.Apply(ctx, req.GetCommand().GetFence(), spec)
	if err != nil {
		return nil, s.e.status("apply port", err)
	}
	return &pb.ApplyPortResponse{Port: wire.PortToProto(o)}, nil
}

func (s *portServer) GetPort(ctx context.Context, req *pb.GetPortRequest) (*pb.GetPortResponse, error) {
	o, err := s.e.ports.Get(withHandle(ctx, req), req.GetId())
	if err != nil {
		return nil, s.e.status("get port", err)
	}
	return &pb.GetPortResponse{Port: wire.PortToProto(o)}, nil
}

func (s *portServer) DeletePort(ctx context.Context, req *pb.DeletePortRequest) (*pb.DeletePortResponse, error) {
	o, err := s.e.ports.Delete(withHandle(ctx, req.GetCommand()), req.GetCommand().GetFence(), req.GetCommand().GetId())
	if err != nil {
		return nil, s.e.status("delete port", err)
	}
	return &pb.DeletePortResponse{Observed: observedToProto(o)}, nil
}

func (s *portServer) ListPorts(_ *pb.ListPortsRequest, stream grpc.ServerStreamingServer[pb.ListPortsResponse]) error {
	return s.e.ports.List(stream.Context(), func(o provider.Port) error {
		return stream.Send(&pb.ListPortsResponse{Port: wire.PortToProto(o)})
	})
}
