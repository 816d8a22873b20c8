// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

type resizeServer struct {
	pb.UnimplementedResizeServiceServer
	e *Engine
}

func (s *resizeServer) GetInstanceSize(ctx context.Context, req *pb.GetInstanceSizeRequest) (*pb.GetInstanceSizeResponse, error) {
	size := func(ctx context.Context, id string) (*pb.GetInstanceSizeResponse, error) {
		now, next, err := s.e.resize.GetInstanceSize(ctx, id)
		return &pb.GetInstanceSizeResponse{Now: wire.InstanceSizeToProto(now), Next: wire.InstanceSizeToProto(next)}, err
	}
	out, err := asked(withHandle(ctx, req), s.e, "get size", req.GetId(), size)
	if err != nil {
		return nil, s.e.status("get size", err)
	}
	return out, nil
}
