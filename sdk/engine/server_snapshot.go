// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"

	"google.golang.org/grpc"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

type snapshotServer struct {
	pb.UnimplementedSnapshotServiceServer
	e *Engine
}

func (s *snapshotServer) ApplySnapshot(ctx context.Context, req *pb.ApplySnapshotRequest) (*pb.ApplySnapshotResponse, error) {
	spec, err := wire.SnapshotSpecFromProto(req.GetCommand(), req.GetSpec())
	if err != nil {
		return nil, wire.ToStatus(err)
	}
	o, err := s.e.snapshots.Apply(ctx, req.GetCommand().GetFence(), spec)
	if err != nil {
		return nil, s.e.status("apply snapshot", err)
	}
	return &pb.ApplySnapshotResponse{Snapshot: wire.SnapshotToProto(o)}, nil
}

func (s *snapshotServer) GetSnapshot(ctx context.Context, req *pb.GetSnapshotRequest) (*pb.GetSnapshotResponse, error) {
	o, err := s.e.snapshots.Get(withHandle(ctx, req), req.GetId())
	if err != nil {
		return nil, s.e.status("get snapshot", err)
	}
	return &pb.GetSnapshotResponse{Snapshot: wire.SnapshotToProto(o)}, nil
}

func (s *snapshotServer) DeleteSnapshot(ctx context.Context, req *pb.DeleteSnapshotRequest) (*pb.DeleteSnapshotResponse, error) {
	o, err := s.e.snapshots.Delete(withHandle(ctx, req.GetCommand()), req.GetCommand().GetFence(), req.GetCommand().GetId())
	if err != nil {
		return nil, s.e.status("delete snapshot", err)
	}
	return &pb.DeleteSnapshotResponse{Observed: observedToProto(o)}, nil
}

func (s *snapshotServer) ListSnapshots(_ *pb.ListSnapshotsRequest, stream grpc.ServerStreamingServer[pb.ListSnapshotsResponse]) error {
	return s.e.snapshots.List(stream.Context(), func(o provider.Snapshot) error {
		return stream.Send(&pb.ListSnapshotsResponse{Snapshot: wire.SnapshotToProto(o)})
	})
}

func (s *snapshotServer) RevertSnapshot(ctx context.Context, req *pb.RevertSnapshotRequest) (*pb.RevertSnapshotResponse, error) {
	o, err := s.e.revert(withHandle(ctx, req.GetCommand()), req.GetCommand().GetFence(), req.GetCommand().GetId(), req.GetOperationId())
	if err != nil {
		return nil, s.e.status("revert snapshot", err)
	}
	return &pb.RevertSnapshotResponse{Snapshot: wire.SnapshotToProto(o)}, nil
}
