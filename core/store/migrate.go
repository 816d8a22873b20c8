// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// One folder a dialect, with equal version numbers. A released migration is never edited.
//
//go:embed migrations
var migrations embed.FS

// migrate brings the schema to this binary's version.
func migrate(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	folder, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		return failed("cannot find the migrations", err)
	}
	m, err := goose.NewProvider(goose.DialectSQLite3, db, folder)
	if err != nil {
		return failed("cannot read the migrations", err)
	}
	has, known, err := m.GetVersions(ctx)
	if err != nil {
		return failed("cannot read the database's version", err)
	}
	if has > known {
		return fault.New(fault.SchemaTooNew, "the database has schema %d, this binary knows %d: run the newer version, or restore an older backup", has, known)
	}
	done, err := m.Up(ctx)
	if err != nil {
		return failed("cannot migrate the database", err)
	}
	for _, d := range done {
		log.InfoContext(ctx, "database migrated", "version", d.Source.Version, "took", d.Duration)
	}
	return nil
}
