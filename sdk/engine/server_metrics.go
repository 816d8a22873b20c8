// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

type metricsServer struct {
	pb.UnimplementedMetricsServiceServer
	e *Engine
}

func (s *metricsServer) GetInstanceMetrics(ctx context.Context, req *pb.GetInstanceMetricsRequest) (*pb.GetInstanceMetricsResponse, error) {
	m, err := asked(withHandle(ctx, req), s.e, "get metrics", req.GetId(), s.e.metrics.GetInstanceMetrics)
	if err != nil {
		return nil, s.e.status("get metrics", err)
	}
	if m.ObservedAt.IsZero() {
		m.ObservedAt = s.e.options.Now().UTC()
	}
	return &pb.GetInstanceMetricsResponse{Metrics: wire.InstanceMetricsToProto(m)}, nil
}

// asked calls the author for what is wanted to be known of one object.
func asked[T any](ctx context.Context, e *Engine, what, id string, get func(context.Context, string) (T, error)) (T, error) {
	var none T
	if err := e.accepts(); err != nil {
		return none, err
	}
	if err := fault.Join(validateID(id)...); err != nil {
		return none, err
	}
	return read(ctx, e, what, wire.CallTimeout, func(ctx context.Context) (T, error) { return get(ctx, id) })
}
