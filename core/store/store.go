// SPDX-License-Identifier: Apache-2.0

// Package store keeps what must survive a restart, in SQLite. It implements core.Store and nothing else: what a row
// means is decided by the use cases.
//
// There are two handles to one file in WAL mode: a writer with one connection, so that write transactions queue fairly
// and never meet SQLITE_BUSY half way, and readers that may only query. Every commit is on disk before it is reported
// (synchronous=FULL), for what is answered with 202 drives real machines afterwards; concurrent writers share commits.
package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	_ "modernc.org/sqlite" // the driver

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// readers is how many read transactions run at once.
const readers = 4

// Store is a core.Store in an SQLite file.
type Store struct {
	writer  *writer
	reader  *bun.DB
	lock    *os.File
	changed *changes
	now     core.Clock
}

var _ core.Store = (*Store)(nil)

// Open opens the database at path, and makes it (mode 0600, in a directory of mode 0700) if it does not exist. It
// applies the migrations that are missing. A database of a newer version of Rhyzome is refused (fault.SchemaTooNew), and
// one that another process uses (fault.Busy).
func Open(ctx context.Context, path string, now core.Clock, log *slog.Logger) (_ *Store, err error) {
	if err := makeFile(path); err != nil {
		return nil, failed("cannot make the database file", err)
	}
	s := &Store{changed: newChanges(), now: now}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.lock, err = lock(ctx, path); err != nil {
		return nil, err
	}
	write, err := open(path, "_txlock=immediate", 1)
	if err != nil {
		return nil, err
	}
	s.writer = &writer{db: write, committed: s.changed.broadcast}
	if err := migrate(ctx, write.DB, log); err != nil {
		return nil, err
	}
	s.reader, err = open(path, "_pragma=query_only(1)", readers)
	return s, err
}

// makeFile makes the file before SQLite does, because SQLite would make it readable for everyone; its journal files
// inherit the mode.
func makeFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

func open(path, options string, connections int) (*bun.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, failed("cannot find the database file", err)
	}
	dsn := url.URL{
		Scheme: "file", OmitHost: true, Path: path,
		RawQuery: options + "&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)",
	}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, failed("cannot open the database", err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return bun.NewDB(db, sqlitedialect.New()), nil
}

// Close ends the use of the store, after all transactions have ended.
func (s *Store) Close() error {
	var all []error
	if s.reader != nil {
		all = append(all, s.reader.Close())
	}
	if s.writer != nil {
		all = append(all, s.writer.db.Close())
	}
	if s.lock != nil {
		all = append(all, s.lock.Close())
	}
	return errors.Join(all...)
}

// View runs f in a read transaction: it sees one state of the store.
func (s *Store) View(ctx context.Context, f func(core.Tx) error) error {
	t, err := s.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return failed("cannot begin to read", err)
	}
	err = f(&tx{ctx: ctx, db: t, now: s.now})
	// Nothing was written, so there is nothing that the end of the transaction could lose.
	if rollback := t.Rollback(); err == nil && rollback != nil && !errors.Is(rollback, sql.ErrTxDone) {
		return failed("cannot end reading", rollback)
	}
	return err
}

// Update runs f in a write transaction and returns when its commit is on disk, or when f or the commit failed and none
// of it was done. f waits for nothing but the store: other writers queue behind it.
func (s *Store) Update(ctx context.Context, f func(core.Tx) error) error {
	return s.writer.update(ctx, func(ctx context.Context, db bun.IDB) (bool, error) {
		t := &tx{ctx: ctx, db: db, now: s.now}
		err := f(t)
		return t.emitted, err
	})
}

// Changed returns a channel that closes with the next commit that brings events. To miss none, take it before reading.
func (s *Store) Changed() <-chan struct{} { return s.changed.next() }

func failed(what string, err error) error {
	if cause := fault.Of(err); cause.Reason != fault.Bug {
		return err
	}
	return &fault.Error{Code: fault.Internal, Reason: fault.Bug, Message: what, Err: err}
}
