// SPDX-License-Identifier: Apache-2.0

package provider

import "context"

// MigrationMode is how an instance can move to a host.
type MigrationMode string

// The ways to move.
const (
	MigrationLive       MigrationMode = "live"    // while it runs, and while it is stopped
	MigrationStopped    MigrationMode = "stopped" // while it is stopped
	MigrationImpossible MigrationMode = "impossible"
)

// Migration says whether an instance could move to a host.
type Migration struct {
	Mode      MigrationMode
	Obstacles []string // what stands against MigrationLive, one sentence each
}

// Migrate is the capability "migrate", of compute: ApplyInstance of a newer generation moves an instance to another
// HostID of ListHosts. Until the move has ended, the instance is on the old host, and GetInstance says so; if the move
// fails, or ctx ends, it stays there, with its power as it was. A guest that runs and is to go on running is never
// stopped for it: ApplyInstance returns fault.BadState where it cannot move live.
//
// Without this interface, the SDK refuses another HostID with fault.InvalidField.
type Migrate interface {
	// CheckInstanceMigration tells whether an instance could move to a host now, and changes nothing.
	// fault.NoSuchObject; fault.InvalidField for a host that is not listed, or has the instance already.
	CheckInstanceMigration(ctx context.Context, id, hostID string) (Migration, error)
}
