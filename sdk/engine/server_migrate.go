// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

type migrateServer struct {
	pb.UnimplementedMigrateServiceServer
	e *Engine
}

func (s *migrateServer) CheckInstanceMigration(ctx context.Context, req *pb.CheckInstanceMigrationRequest) (*pb.CheckInstanceMigrationResponse, error) {
	check := func(ctx context.Context, id string) (provider.Migration, error) {
		if req.GetHostId() == "" {
			return provider.Migration{}, fault.Invalid("/host_id", "must not be empty")
		}
		return s.e.migrate.CheckInstanceMigration(ctx, id, req.GetHostId())
	}
	out, err := asked(withHandle(ctx, req), s.e, "check migration", req.GetId(), check)
	if err != nil {
		return nil, s.e.status("check migration", err)
	}
	return wire.MigrationToProto(out), nil
}
