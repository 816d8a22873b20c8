// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func project(n int) core.Project { return core.Project{Meta: core.Meta{ID: id(n), Name: "p" + id(n)}} }

func count(t *testing.T, s core.Store) (n int) {
	t.Helper()
	view(t, s, func(tx core.Tx) error {
		all, err := core.All(tx.Projects(), core.Query{}, func(p core.Project) string { return p.ID })
		n = len(all)
		return err
	})
	return n
}

func testRollback(t *testing.T, s core.Store) {
	late := errors.New("changed my mind")
	err := s.Update(t.Context(), func(tx core.Tx) error {
		if _, err := tx.NextFence(); err != nil {
			return err
		}
		if err := errors.Join(tx.Projects().Insert(project(1)), tx.SetSetting("k", "v"), tx.Emit(core.Event{Type: "e"})); err != nil {
			return err
		}
		if _, err := tx.Projects().Get(id(1)); err != nil {
			t.Errorf("a transaction does not see what it wrote: %v", err)
		}
		return late
	})
	if !errors.Is(err, late) {
		t.Errorf("Update = %v, want what f returned", err)
	}
	view(t, s, func(tx core.Tx) error {
		_, missing := tx.Projects().Get(id(1))
		wantReason(t, "the row", missing, fault.UnknownResource)
		value, err := tx.Setting("k")
		wantSame(t, "the setting", value, "")
		fence, err2 := tx.Fence()
		wantSame(t, "the fence", fence, uint64(0))
		events, err3 := tx.Events(0, 10)
		wantSame(t, "events", len(events), 0)
		return errors.Join(err, err2, err3)
	})
}

func testPanic(t *testing.T, s core.Store) {
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic did not reach the caller")
			}
		}()
		_ = s.Update(t.Context(), func(tx core.Tx) error {
			if err := tx.Projects().Insert(project(1)); err != nil {
				return err
			}
			panic("a bug")
		})
	}()
	if n := count(t, s); n != 0 {
		t.Errorf("%d rows of the broken transaction are there", n)
	}
	update(t, s, func(tx core.Tx) error { return tx.Projects().Insert(project(2)) })
}

func testViewsDoNotWrite(t *testing.T, s core.Store) {
	for what, write := range map[string]func(core.Tx) error{
		"Insert":     func(tx core.Tx) error { return tx.Projects().Insert(project(1)) },
		"Delete":     func(tx core.Tx) error { return tx.Projects().Delete(id(1)) },
		"Emit":       func(tx core.Tx) error { return tx.Emit(core.Event{Type: "e"}) },
		"SetSetting": func(tx core.Tx) error { return tx.SetSetting("k", "v") },
		"NextFence":  func(tx core.Tx) error { _, err := tx.NextFence(); return err },
	} {
		if err := s.View(t.Context(), write); err == nil {
			t.Errorf("%s works in a view", what)
		}
	}
}

// testSnapshots: a view sees one state, while others write.
func testSnapshots(t *testing.T, s core.Store) {
	update(t, s, func(tx core.Tx) error { return tx.Projects().Insert(project(1)) })
	view(t, s, func(tx core.Tx) error {
		if _, err := tx.Projects().Get(id(1)); err != nil {
			return err
		}
		update(t, s, func(tx core.Tx) error { return tx.Projects().Insert(project(2)) })
		_, err := tx.Projects().Get(id(2))
		wantReason(t, "a later row in an older view", err, fault.UnknownResource)
		return nil
	})
	if n := count(t, s); n != 2 {
		t.Errorf("a later view sees %d rows", n)
	}
}

// testFences: the counter rises by one for each that is drawn, whoever draws.
func testFences(t *testing.T, s core.Store) {
	const drawers, each = 8, 25
	drawn := make(chan uint64, drawers*each)
	var wg sync.WaitGroup
	for range drawers {
		wg.Go(func() {
			for range each {
				var fence uint64
				err := s.Update(t.Context(), func(tx core.Tx) (err error) {
					fence, err = tx.NextFence()
					return err
				})
				if err != nil {
					t.Error(err)
				}
				drawn <- fence
			}
		})
	}
	wg.Wait()
	close(drawn)
	seen := map[uint64]bool{}
	for fence := range drawn {
		if seen[fence] || fence < 1 || fence > drawers*each {
			t.Errorf("fence %d was drawn twice, or is out of range", fence)
		}
		seen[fence] = true
	}
	view(t, s, func(tx core.Tx) error {
		fence, err := tx.Fence()
		wantSame(t, "Fence", fence, uint64(drawers*each))
		return err
	})
}

// testConcurrentWriters: read, then write, without lost updates; readers go on meanwhile.
func testConcurrentWriters(t *testing.T, s core.Store) {
	const writers, each = 16, 10
	update(t, s, func(tx core.Tx) error { return tx.Projects().Insert(project(1)) })
	ctx, stop := context.WithCancel(t.Context())
	var readers, wg sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for last := int64(0); ctx.Err() == nil; {
				p, err := get(t, s, core.Tx.Projects, id(1))
				if err != nil || p.Generation < last {
					t.Errorf("read generation %d after %d: %v", p.Generation, last, err)
					return
				}
				last = p.Generation
			}
		})
	}
	for range writers {
		wg.Go(func() {
			for range each {
				err := s.Update(t.Context(), func(tx core.Tx) error {
					p, err := tx.Projects().Get(id(1))
					if err != nil {
						return err
					}
					p.Generation++
					return tx.Projects().Update(p)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	stop()
	readers.Wait()
	p, err := get(t, s, core.Tx.Projects, id(1))
	if err != nil || p.Generation != writers*each {
		t.Errorf("generation %d, %v; want %d", p.Generation, err, writers*each)
	}
}

// testFailuresAmongWriters: who fails takes nobody with him, and leaves nothing of his own.
func testFailuresAmongWriters(t *testing.T, s core.Store) {
	const writers = 64
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			err := s.Update(t.Context(), func(tx core.Tx) error {
				if err := tx.Projects().Insert(project(n)); err != nil {
					return err
				}
				switch n % 4 {
				case 1:
					return fault.New(fault.BadState, "no")
				case 2:
					return tx.Projects().Insert(project(n)) // taken
				}
				return nil
			})
			if failed := n%4 == 1 || n%4 == 2; (err != nil) != failed {
				t.Errorf("writer %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	if n := count(t, s); n != writers/2 {
		t.Errorf("%d rows, want %d", n, writers/2)
	}
}

func testCanceledContext(t *testing.T, s core.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	called := false
	f := func(core.Tx) error { called = true; return nil }
	wantReason(t, "Update", s.Update(ctx, f), fault.RequestCanceled)
	wantReason(t, "View", s.View(ctx, f), fault.RequestCanceled)
	if called {
		t.Error("f was called although nobody waits for it")
	}
	// A caller that goes away in the middle disturbs nobody.
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			err := s.Update(ctx, func(tx core.Tx) error {
				if n%2 == 0 {
					cancel()
				}
				return tx.Projects().Insert(project(n))
			})
			cancel()
			_, missing := get(t, s, core.Tx.Projects, id(n))
			if (err == nil) != (missing == nil) {
				t.Errorf("Update = %v, and the row is there: %v", err, missing == nil)
			}
			if n%2 == 1 && err != nil {
				t.Errorf("another one's update = %v", err)
			}
		})
	}
	wg.Wait()
}

func testEvents(t *testing.T, s core.Store) {
	first := core.Event{At: at, Type: "instance.created", Project: "p", Resource: core.ResourceRef{Kind: "instance", ID: "i", Name: "web"}, Message: "m"}
	before := time.Now().Add(-time.Second)
	update(t, s, func(tx core.Tx) error { return errors.Join(tx.Emit(first), tx.Emit(core.Event{Type: "second"})) })
	for n := range 5 {
		update(t, s, func(tx core.Tx) error { return tx.Emit(core.Event{Type: fmt.Sprint(n)}) })
	}
	view(t, s, func(tx core.Tx) error {
		all, err := tx.Events(0, 100)
		if len(all) != 7 {
			t.Fatalf("%d events, %v", len(all), err)
		}
		first.Position = all[0].Position
		wantSame(t, "the first event", all[0], first)
		if all[1].At.Before(before) {
			t.Errorf("an event without a time got %v", all[1].At)
		}
		for i := range all[1:] {
			if all[i+1].Position <= all[i].Position {
				t.Errorf("positions %d, %d", all[i].Position, all[i+1].Position)
			}
		}
		some, err2 := tx.Events(all[1].Position, 2)
		wantSame(t, "two events after the second", some, all[2:4])
		none, err3 := tx.Events(all[6].Position, 2)
		wantSame(t, "events after the last", len(none), 0)
		return errors.Join(err, err2, err3)
	})
}

func testSettings(t *testing.T, s core.Store) {
	for _, value := range []string{"", "one", "two ' \" ?", ""} {
		update(t, s, func(tx core.Tx) error { return tx.SetSetting("key", value) })
		view(t, s, func(tx core.Tx) error {
			got, err := tx.Setting("key")
			wantSame(t, "the setting", got, value)
			absent, err2 := tx.Setting("another")
			wantSame(t, "an absent setting", absent, "")
			return errors.Join(err, err2)
		})
	}
}

func testBackendHandles(t *testing.T, s core.Store) {
	for _, handle := range [][]byte{[]byte("one"), {0, 0xff, '\''}, nil, nil} {
		update(t, s, func(tx core.Tx) error { return tx.SetBackendHandle(id(1), id(2), handle) })
		view(t, s, func(tx core.Tx) error {
			got, err := tx.BackendHandle(id(1), id(2))
			wantSame(t, "the handle", got, handle)
			absent, err2 := tx.BackendHandle(id(3), id(2))
			wantSame(t, "another provider's", absent, []byte(nil))
			return errors.Join(err, err2)
		})
	}
}
