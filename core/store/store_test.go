// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/store"
	"github.com/rhyzome/rhyzome/core/store/storetest"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func clock() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func open(t testing.TB, path string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), path, clock, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) core.Store { return open(t, filepath.Join(t.TempDir(), "rhyzome.db")) })
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "var", "lib")
	path := filepath.Join(dir, "rhyzome.db")
	s := open(t, path)
	err := s.Update(t.Context(), func(tx core.Tx) error { return tx.SetSetting("a", "b") })
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", filepath.Base(name), info.Mode(), want)
		}
	}
}

func TestAReadableFileIsClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rhyzome.db")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestWhatWasCommittedSurvives(t *testing.T) {
	for _, name := range []string{"rhyzome.db", "a?b#c%20 d.db"} {
		path := filepath.Join(t.TempDir(), name)
		for round := range 3 {
			s, err := store.Open(t.Context(), path, clock, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			err = s.Update(t.Context(), func(tx core.Tx) error {
				fence, err := tx.NextFence()
				if fence != uint64(round+1) {
					t.Errorf("%s: the fence is %d in round %d", name, fence, round)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

func TestOneProcessUsesIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rhyzome.db")
	first, err := store.Open(t.Context(), path, clock, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := store.Open(ctx, path, clock, slog.New(slog.DiscardHandler)); fault.ReasonOf(err) != fault.Busy {
		t.Errorf("the second Open = %v, want %s", err, fault.Busy)
	}
	time.AfterFunc(200*time.Millisecond, func() {
		if err := first.Close(); err != nil {
			t.Error(err)
		}
	})
	open(t, path) // it waits for the first one's end
}

func TestManyOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rhyzome.db")
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			s, err := store.Open(t.Context(), path, clock, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			err = s.Update(t.Context(), func(tx core.Tx) error {
				return tx.Projects().Insert(core.Project{Meta: core.Meta{ID: fmt.Sprint(n), Name: fmt.Sprint(n)}})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestANewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rhyzome.db")
	s, err := store.Open(t.Context(), path, clock, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), path, clock, slog.New(slog.DiscardHandler))
	if fault.ReasonOf(err) != fault.SchemaTooNew {
		t.Errorf("Open = %v, want %s", err, fault.SchemaTooNew)
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, make([]byte, 8192), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(garbage, []byte("this is no database, and long enough to be looked at by SQLite, which it is now"), 0o600); err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for what, c := range map[string]struct {
		ctx  context.Context
		path string
	}{
		"a directory":        {t.Context(), dir},
		"under a file":       {t.Context(), filepath.Join(garbage, "x.db")},
		"garbage":            {t.Context(), garbage},
		"a canceled context": {canceled, filepath.Join(dir, "new.db")},
	} {
		s, err := store.Open(c.ctx, c.path, clock, slog.New(slog.DiscardHandler))
		if err == nil {
			t.Errorf("%s was opened", what)
			s.Close()
		}
	}
}

func TestOldEventsAreForgotten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rhyzome.db")
	s := open(t, path)
	emit := func(typ string) {
		t.Helper()
		err := s.Update(t.Context(), func(tx core.Tx) error { return tx.Emit(core.Event{Type: typ}) })
		if err != nil {
			t.Fatal(err)
		}
	}
	emit("old")
	jump := func(to int) { // as if so many events had come
		t.Helper()
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec("UPDATE sqlite_sequence SET seq = ? WHERE name = 'events'", to-1); err != nil {
			t.Fatal(err)
		}
	}
	jump(50_000)
	emit("fifty thousandth")
	jump(101_000)
	emit("newest")
	err := s.View(t.Context(), func(tx core.Tx) error {
		kept, err := tx.Events(0, 10)
		if len(kept) != 2 || kept[0].Type != "fifty thousandth" || kept[1].Type != "newest" || kept[1].Position != 101_000 {
			t.Errorf("kept %+v", kept)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestChanged(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "rhyzome.db"))
	closed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	changed := s.Changed()
	quiet := func(tx core.Tx) error { return tx.SetSetting("a", "b") }
	failing := func(tx core.Tx) error {
		if err := tx.Emit(core.Event{Type: "e"}); err != nil {
			return err
		}
		return fault.New(fault.BadState, "no")
	}
	emitting := func(tx core.Tx) error { return tx.Emit(core.Event{Type: "e"}) }
	if err := s.Update(t.Context(), quiet); err != nil || closed(changed) {
		t.Errorf("after a commit without events: %v, woken %v", err, closed(changed))
	}
	if err := s.Update(t.Context(), failing); err == nil || closed(changed) {
		t.Errorf("after a rollback: %v, woken %v", err, closed(changed))
	}
	if err := s.Update(t.Context(), emitting); err != nil || !closed(changed) {
		t.Errorf("after a commit with events: %v, woken %v", err, closed(changed))
	}
	if closed(s.Changed()) {
		t.Error("the next channel is closed already")
	}
}
