// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rhyzome/rhyzome/core"
)

// create is what accepting a create request writes: the row, its operation, an event.
func create(tx core.Tx) error {
	id := uuid.Must(uuid.NewV7()).String()
	i := core.Instance{Meta: core.Meta{ID: id, Name: "i" + id, CreatedAt: at, UpdatedAt: at}, Project: "p", Spec: core.InstanceSpec{Image: "debian", VCPUs: 2, MemoryBytes: 1 << 30}}
	if err := tx.Instances().Insert(i); err != nil {
		return err
	}
	op := core.Operation{ID: id, Project: "p", Kind: "instance.create", Resource: core.ResourceRef{Kind: "instance", ID: id, Name: i.Name}, State: core.OperationPending, CreatedAt: at, UpdatedAt: at, RunAt: at}
	if err := tx.Operations().Insert(op); err != nil {
		return err
	}
	return tx.Emit(core.Event{At: at, Type: "instance.created", Project: "p", Resource: op.Resource})
}

var at = time.Date(2026, 11, 22, 10, 39, 7, 123456000, time.UTC)

// rawCommits is the yardstick: three prepared inserts a transaction on one connection, synchronous=FULL, no layer.
func rawCommits(b *testing.B, during time.Duration) float64 {
	b.Helper()
	db, err := sql.Open("sqlite", filepath.Join(b.TempDir(), "raw.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE r (id TEXT PRIMARY KEY, name TEXT UNIQUE, document TEXT); CREATE TABLE e (position INTEGER PRIMARY KEY AUTOINCREMENT, message TEXT)"); err != nil {
		b.Fatal(err)
	}
	row, err := db.Prepare("INSERT INTO r VALUES (?, ?, ?)")
	if err != nil {
		b.Fatal(err)
	}
	defer row.Close()
	event, err := db.Prepare("INSERT INTO e (message) VALUES (?)")
	if err != nil {
		b.Fatal(err)
	}
	defer event.Close()
	document := fmt.Sprintf("%0400d", 1)
	n, began := 0, time.Now()
	for ; time.Since(began) < during; n++ {
		if _, err := db.Exec("BEGIN IMMEDIATE"); err != nil {
			b.Fatal(err)
		}
		for _, id := range []string{uuid.NewString(), uuid.NewString()} {
			if _, err := row.Exec(id, id, document); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := event.Exec("created"); err != nil {
			b.Fatal(err)
		}
		if _, err := db.Exec("COMMIT"); err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(began).Seconds()
}

// BenchmarkCreate compares creates by many clients with the yardstick, measured just before in the same run.
func BenchmarkCreate(b *testing.B) {
	for _, clients := range []int{1, 16, 32} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			raw := rawCommits(b, 500*time.Millisecond)
			s := open(b, filepath.Join(b.TempDir(), "rhyzome.db"))
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			b.ResetTimer()
			for range clients {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if err := s.Update(b.Context(), create); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/raw, "x-raw")
		})
	}
}

// BenchmarkPage lists a page out of 20,000 instances.
func BenchmarkPage(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "rhyzome.db"))
	for range 200 {
		err := s.Update(b.Context(), func(tx core.Tx) error {
			for range 100 {
				if err := create(tx); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	after := ""
	for b.Loop() {
		err := s.View(b.Context(), func(tx core.Tx) error {
			page, err := tx.Instances().Find(core.Query{Project: "p", Page: core.Page{After: after, Limit: 100}})
			after = ""
			if len(page) == 100 {
				after = page[99].ID
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
