// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"

	"google.golang.org/grpc"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

type volumeServer struct {
	pb.UnimplementedVolumeServiceServer
	e *Engine
}

func (s *volumeServer) ApplyVolume(ctx context.Context, req *pb.ApplyVolumeRequest) (*pb.ApplyVolumeResponse, error) {
	spec, err := wire.VolumeSpecFromProto(req.GetCommand(), req.GetSpec())
	if err != nil {
		return nil, wire.ToStatus(err)
	}
	o, err := s.e.volumes.Apply(ctx, req.GetCommand().GetFence(), spec)
	if err != nil {
		return nil, s.e.status("apply volume", err)
	}
	return &pb.ApplyVolumeResponse{Volume: wire.VolumeToProto(o)}, nil
}

func (s *volumeServer) GetVolume(ctx context.Context, req *pb.GetVolumeRequest) (*pb.GetVolumeResponse, error) {
	o, err := s.e.volumes.Get(withHandle(ctx, req), req.GetId())
	if err != nil {
		return nil, s.e.status("get volume", err)
	}
	return &pb.GetVolumeResponse{Volume: wire.VolumeToProto(o)}, nil
}

func (s *volumeServer) DeleteVolume(ctx context.Context, req *pb.DeleteVolumeRequest) (*pb.DeleteVolumeResponse, error) {
	o, err := s.e.volumes.Delete(withHandle(ctx, req.GetCommand()), req.GetCommand().GetFence(), req.GetCommand().GetId())
	if err != nil {
		return nil, s.e.status("delete volume", err)
	}
	return &pb.DeleteVolumeResponse{Observed: observedToProto(o)}, nil
}

func (s *volumeServer) ListVolumes(_ *pb.ListVolumesRequest, stream grpc.ServerStreamingServer[pb.ListVolumesResponse]) error {
	return s.e.volumes.List(stream.Context(), func(o provider.Volume) error {
		return stream.Send(&pb.ListVolumesResponse{Volume: wire.VolumeToProto(o)})
	})
}

func (s *volumeServer) ListPools(ctx context.Context, _ *pb.ListPoolsRequest) (*pb.ListPoolsResponse, error) {
	pools, err := listed(ctx, s.e, "list pools", s.e.author.(provider.Volumes).ListPools)
	if err != nil {
		return nil, err
	}
	out := &pb.ListPoolsResponse{}
	for _, p := range pools {
		out.Pools = append(out.Pools, wire.PoolToProto(p))
	}
	return out, nil
}
