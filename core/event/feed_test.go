// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/event"
	"github.com/rhyzome/rhyzome/core/store"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const alice = "00000000-0000-7000-8000-00000000000a"

func setUp(t *testing.T) (*store.Store, *event.Feed) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "rhyzome.db"), time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	err = s.Update(t.Context(), func(tx core.Tx) error {
		return tx.Projects().Insert(core.Project{Meta: core.Meta{ID: alice, Name: "alice"}})
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, event.New(s, log)
}

func emit(t *testing.T, s *store.Store, project string, types ...string) {
	t.Helper()
	err := s.Update(t.Context(), func(tx core.Tx) error {
		for _, typ := range types {
			if err := tx.Emit(core.Event{Type: typ, Project: project}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func subscribe(t *testing.T, f *event.Feed, after int64, project string) <-chan core.Event {
	t.Helper()
	events, err := f.Subscribe(t.Context(), after, project)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func want(t *testing.T, events <-chan core.Event, types ...string) (last int64) {
	t.Helper()
	for _, typ := range types {
		select {
		case e, ok := <-events:
			if !ok || e.Type != typ || e.Position <= last {
				t.Fatalf("got %+v (open %v), want a %s after %d", e, ok, typ, last)
			}
			last = e.Position
		case <-time.After(10 * time.Second):
			t.Fatalf("no event, want %s", typ)
		}
	}
	return last
}

func TestKeptEventsThenLiveOnes(t *testing.T) {
	s, f := setUp(t)
	emit(t, s, "", "one", "two")
	events := subscribe(t, f, 0, "")
	second := want(t, events, "one", "two")
	emit(t, s, "", "three")
	want(t, events, "three")
	want(t, subscribe(t, f, second, ""), "three")
}

func TestMoreThanAPage(t *testing.T) {
	s, f := setUp(t)
	var types []string
	for i := range 1000 {
		types = append(types, fmt.Sprint(i))
	}
	emit(t, s, "", types...)
	want(t, subscribe(t, f, 0, ""), types...)
}

func TestOneProjectsEvents(t *testing.T) {
	s, f := setUp(t)
	for _, project := range []string{"alice", alice} {
		events := subscribe(t, f, 0, project)
		emit(t, s, "bob", "of bob")
		emit(t, s, alice, "of alice")
		want(t, events, "of alice")
	}
	_, err := f.Subscribe(t.Context(), 0, "nobody")
	if fault.ReasonOf(err) != fault.UnknownResource {
		t.Errorf("Subscribe to an unknown project = %v", err)
	}
}

func TestTheChannelClosesWithTheContext(t *testing.T) {
	s, f := setUp(t)
	for name, types := range map[string][]string{"idle": nil, "with a reader that does not read": make([]string, 500)} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			events, err := f.Subscribe(ctx, 0, "")
			if err != nil {
				t.Fatal(err)
			}
			emit(t, s, "", types...)
			cancel()
			for {
				select {
				case _, ok := <-events:
					if !ok {
						return
					}
				case <-time.After(10 * time.Second):
					t.Fatal("the channel stays open")
				}
			}
		})
	}
}

func TestASlowReaderKeepsNobodyWaiting(t *testing.T) {
	s, f := setUp(t)
	slow := subscribe(t, f, 0, "")
	fast := subscribe(t, f, 0, "")
	var types []string
	for i := range 20 {
		var some []string
		for j := range 50 {
			some = append(some, fmt.Sprint(i*50+j))
		}
		emit(t, s, "", some...)
		types = append(types, some...)
	}
	want(t, fast, types...)
	want(t, slow, types...) // it missed nothing
}

// lateSource commits an event just after somebody read.
type lateSource struct {
	*store.Store
	once sync.Once
	late func()
}

func (s *lateSource) View(ctx context.Context, f func(core.Tx) error) error {
	defer s.once.Do(s.late)
	return s.Store.View(ctx, f)
}

func TestACommitBetweenReadingAndWaiting(t *testing.T) {
	s, _ := setUp(t)
	f := event.New(&lateSource{Store: s, late: func() { emit(t, s, "", "late") }}, slog.New(slog.DiscardHandler))
	want(t, subscribe(t, f, 0, ""), "late")
}

// Many writers commit at once, and roll back; a reader sees every event that was committed, once, in the order of
// positions.
func TestNothingIsSkipped(t *testing.T) {
	s, f := setUp(t)
	events := subscribe(t, f, 0, "")
	const writers, each = 8, 50
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				err := s.Update(t.Context(), func(tx core.Tx) error {
					if err := tx.Emit(core.Event{Type: fmt.Sprintf("%d/%d", w, i)}); err != nil {
						return err
					}
					if i%5 == 4 {
						return fault.New(fault.BadState, "changed my mind")
					}
					return nil
				})
				if (err != nil) != (i%5 == 4) {
					t.Errorf("Update = %v", err)
				}
			}
		})
	}
	seen := map[string]bool{}
	last := int64(0)
	for range writers * each * 4 / 5 {
		select {
		case e := <-events:
			if seen[e.Type] || e.Position <= last {
				t.Fatalf("%s at %d came after %d", e.Type, e.Position, last)
			}
			seen[e.Type], last = true, e.Position
		case <-time.After(20 * time.Second):
			t.Fatalf("%d events came", len(seen))
		}
	}
	wg.Wait()
}
