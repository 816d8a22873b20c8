// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"

	"google.golang.org/grpc"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

type providerServer struct {
	pb.UnimplementedProviderServiceServer
	e *Engine
}

func (s *providerServer) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	return wire.DescriptionToProto(s.e.description), nil
}

func (s *providerServer) Configure(ctx context.Context, req *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	if err := s.e.Configure(ctx, req.GetConfigJson(), req.GetSecrets(), req.GetFenceFloor()); err != nil {
		return nil, s.e.status("configure", err)
	}
	return &pb.ConfigureResponse{Generation: req.GetGeneration()}, nil
}

func (s *providerServer) Watch(req *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
	if err := s.e.accepts(); err != nil {
		return s.e.status("watch", err)
	}
	if err := s.e.work.attend(); err != nil {
		return s.e.status("watch", err)
	}
	defer s.e.work.left()
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(s.e.work.life, cancel)()
	err := newWatch(s.e, stream.Send).run(ctx, req.GetHeartbeatInterval().AsDuration())
	if s.e.work.life.Err() != nil {
		err = errEnding
	}
	return s.e.status("watch", err)
}

func (s *providerServer) Cancel(ctx context.Context, req *pb.CancelRequest) (*pb.CancelResponse, error) {
	outcome, err := s.e.Cancel(ctx, wire.KindFromProto(req.GetKind()), req.GetId(), req.GetFence())
	if err != nil {
		return nil, s.e.status("cancel", err)
	}
	return &pb.CancelResponse{Outcome: wire.OutcomeToProto(outcome)}, nil
}

func (s *providerServer) Drain(_ context.Context, req *pb.DrainRequest) (*pb.DrainResponse, error) {
	running := s.e.startDrain()
	s.e.limitDrain(req.GetTimeout().AsDuration())
	return &pb.DrainResponse{Running: uint32(running)}, nil
}
