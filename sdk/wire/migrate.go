// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// CheckInstanceMigration tells whether an instance could move to a host now.
func (c *Client) CheckInstanceMigration(ctx context.Context, id, hostID string) (provider.Migration, error) {
	req := &pb.CheckInstanceMigrationRequest{Id: id, BackendHandle: provider.HandleFrom(ctx), HostId: hostID}
	resp, err := call(ctx, c.migrate.CheckInstanceMigration, req)
	return MigrationFromProto(resp), err
}

// MigrationToProto converts whether an instance could move.
func MigrationToProto(m provider.Migration) *pb.CheckInstanceMigrationResponse {
	return &pb.CheckInstanceMigrationResponse{Migration: migrationModes[m.Mode], Obstacles: m.Obstacles}
}

// MigrationFromProto is the inverse of MigrationToProto.
func MigrationFromProto(m *pb.CheckInstanceMigrationResponse) provider.Migration {
	return provider.Migration{Mode: name(migrationModes, m.GetMigration()), Obstacles: m.GetObstacles()}
}
