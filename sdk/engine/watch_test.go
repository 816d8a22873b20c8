// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// events collects what a watch shows, without the heartbeats.
func events(t *testing.T, client *wire.Client) <-chan wire.Event {
	t.Helper()
	all := make(chan wire.Event)
	watching(t, client, func(ctx context.Context, e wire.Event) {
		if e.Heartbeat != nil {
			return
		}
		select {
		case all <- e:
		case <-ctx.Done():
		}
	})
	return all
}

// next waits for an event that f accepts, and returns those before it.
func next(t *testing.T, all <-chan wire.Event, what string, f func(wire.Event) bool) (before []wire.Event) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case e := <-all:
			if f(e) {
				return before
			}
			before = append(before, e)
		case <-timeout.C:
			t.Fatalf("%s: not within %s; but %+v", what, patience, before)
		}
	}
}

func snapshotEnd(e wire.Event) bool { return e.SnapshotEnd }

func networkIn(id string, phase provider.Phase) func(wire.Event) bool {
	return func(e wire.Event) bool { return e.Network != nil && e.Network.ID == id && e.Network.Phase == phase }
}

func removed(id string) func(wire.Event) bool {
	return func(e wire.Event) bool { return e.Removed != nil && e.Removed.ID == id }
}

// polled hides the memory provider's events.
type polled struct {
	provider.Provider
	provider.Networks
	provider.Ports
}

func TestWatchShowsWhatChanges(t *testing.T) {
	for name, wrap := range map[string]func(*memory.Network) provider.Provider{
		"by events":  func(n *memory.Network) provider.Provider { return n },
		"by polling": func(n *memory.Network) provider.Provider { return polled{n, n, n} },
	} {
		t.Run(name, func(t *testing.T) {
			b := memory.NewBackend()
			_, client, _ := serve(t, wrap(memory.NewNetwork(b)), quick)
			configure(t, client)
			first := networkSpec()
			ready(t, client, first)

			all := events(t, client)
			before := next(t, all, "snapshot", snapshotEnd)
			var routers, networks int
			for _, e := range before {
				switch {
				case e.Router != nil:
					routers++
				case e.Network != nil:
					networks++
				case e.Status == nil:
					t.Errorf("%+v in the snapshot", e)
				}
			}
			if routers != 1 || networks != 1 {
				t.Errorf("%d routers and %d networks in the snapshot", routers, networks)
			}

			second := networkSpec()
			release := hang(b, "ApplyNetwork", memory.StepRoute)
			_, err := client.ApplyNetwork(t.Context(), fence(), second)
			wants(t, "Apply", err, "")
			next(t, all, "progress", func(e wire.Event) bool {
				return networkIn(second.ID, provider.PhaseProgressing)(e) && e.Network.Step == memory.StepRoute && e.Network.Percent == 50
			})
			release()
			next(t, all, "ready", networkIn(second.ID, provider.PhaseReady))
			_, _, err = client.DeleteNetwork(t.Context(), fence(), first.Tag)
			wants(t, "Delete", err, "")
			next(t, all, "removed", removed(first.ID))

			// And what happens behind our back.
			b.SetRouters(memory.DefaultRouter(), provider.Router{ID: "other"})
			next(t, all, "a new router", func(e wire.Event) bool { return e.Router != nil && e.Router.ID == "other" })
			other := memory.NewNetwork(b)
			third := networkSpec()
			if _, err := other.ApplyNetwork(t.Context(), third, func(string, int) {}); err != nil {
				t.Fatal(err)
			}
			next(t, all, "somebody else's work", networkIn(third.ID, provider.PhaseReady))
			if err := other.DeleteNetwork(t.Context(), third.ID, func(string, int) {}); err != nil {
				t.Fatal(err)
			}
			next(t, all, "somebody else's removal", removed(third.ID))
		})
	}
}

func TestWatchRepeatsNothing(t *testing.T) {
	b := memory.NewBackend()
	client := configured(t, b, quick)
	ready(t, client, networkSpec())
	all := events(t, client)
	next(t, all, "snapshot", snapshotEnd)
	b.SetRouters(memory.DefaultRouter(), provider.Router{ID: "after some polls"})
	between := next(t, all, "the router", func(e wire.Event) bool { return e.Router != nil })
	for _, e := range between {
		if e.Network != nil {
			t.Errorf("repeated: %+v", *e.Network)
		}
	}
}

// looking counts how often the networks were listed.
type looking struct {
	*memory.Network
	looks atomic.Int64
}

func (l *looking) ListNetworks(ctx context.Context) ([]provider.Network, error) {
	defer l.looks.Add(1)
	return l.Network.ListNetworks(ctx)
}

func TestWatchWhileTheBackendIsAway(t *testing.T) {
	b := memory.NewBackend()
	n := &looking{Network: memory.NewNetwork(b)}
	_, client, _ := serve(t, polled{n, n, n}, quick)
	configure(t, client)
	ready(t, client, networkSpec())
	b.SetDown(true)
	all := events(t, client)
	before := next(t, all, "degraded", func(e wire.Event) bool { return e.Status != nil && e.Status.State == wire.StateDegraded })
	for _, e := range before {
		if e.SnapshotEnd {
			t.Error("an incomplete snapshot was closed")
		}
	}
	b.SetDown(false)
	var ready, ended bool
	next(t, all, "ready and a snapshot", func(e wire.Event) bool {
		ready = ready || e.Status != nil && e.Status.State == wire.StateReady
		ended = ended || e.SnapshotEnd
		return ready && ended
	})
	b.SetDown(true)
	seen := next(t, all, "degraded again", func(e wire.Event) bool { return e.Status != nil && e.Status.State == wire.StateDegraded })
	looks := n.looks.Load()
	await(t, "two looks at a backend that is away", func() bool { return n.looks.Load() > looks+1 })
	b.SetDown(false)
	seen = append(seen, next(t, all, "ready again", func(e wire.Event) bool { return e.Status != nil && e.Status.State == wire.StateReady })...)
	for _, e := range seen {
		if e.Removed != nil {
			t.Errorf("%+v was removed because the backend is away", e.Removed)
		}
	}
}

func TestHeartbeatsGoOnWhileTheBackendHangs(t *testing.T) {
	b := memory.NewBackend()
	client := configured(t, b, quick)
	hang(b, "ListRouters", "")
	beats := make(chan time.Time)
	watching(t, client, func(ctx context.Context, e wire.Event) {
		if e.Heartbeat != nil {
			select {
			case beats <- *e.Heartbeat:
			case <-ctx.Done():
			}
		}
	})
	for range 3 {
		select {
		case <-beats:
		case <-time.After(patience):
			t.Fatal("no heartbeat")
		}
	}
}

func TestLostEventsAreAskedForAgain(t *testing.T) {
	b := memory.NewBackend()
	b.Inject(memory.Fault{Verb: "Watch", Times: 1, Err: fault.New(fault.BackendDown, "lost")})
	seldom := quick
	seldom.PollInterval = time.Second // so that the regular look at everything comes too late
	client := configured(t, b, seldom)
	all := events(t, client)
	next(t, all, "snapshot", snapshotEnd)
	spec := networkSpec()
	if _, err := memory.NewNetwork(b).ApplyNetwork(t.Context(), spec, func(string, int) {}); err != nil {
		t.Fatal(err)
	}
	next(t, all, "the change", networkIn(spec.ID, provider.PhaseReady))
}

func TestLogIsShipped(t *testing.T) {
	e, client, _ := serve(t, memory.New(memory.NewBackend()), quick)
	configure(t, client)
	all := events(t, client)
	next(t, all, "snapshot", snapshotEnd)
	log := e.Logger().With("host", "hv1").WithGroup("a")
	log.Debug("quiet")
	log.Warn("loud", "n", 1, slog.Group("b", "c", true))
	next(t, all, "log", func(e wire.Event) bool {
		if e.Log == nil {
			return false
		}
		l := *e.Log
		if l.Message != "loud" || l.Level != slog.LevelWarn || l.At.IsZero() ||
			l.Attributes["host"] != "hv1" || l.Attributes["a.n"] != "1" || l.Attributes["a.b.c"] != "true" {
			t.Errorf("log = %+v", l)
		}
		return true
	})
}

// The cause of a failure is for the log, and for nobody else.
func TestACauseIsLogged(t *testing.T) {
	b := memory.NewBackend()
	_, client, _ := serve(t, memory.New(b), patient)
	configure(t, client)
	all := events(t, client)
	next(t, all, "snapshot", snapshotEnd)
	b.Inject(memory.Fault{Verb: "ApplyNetwork", Err: &fault.Error{
		Code: fault.Unavailable, Reason: fault.BackendDown, Message: "away", Err: errors.New("no route"),
	}})
	if _, err := client.ApplyNetwork(t.Context(), fence(), networkSpec()); err == nil || strings.Contains(err.Error(), "route") {
		t.Errorf("Apply = %v", err)
	}
	next(t, all, "log", func(e wire.Event) bool {
		return e.Log != nil && e.Log.Attributes["error"] == "away" && e.Log.Attributes["cause"] == "no route"
	})
}

func TestWatchEndsWithTheEngine(t *testing.T) {
	e, client, _ := serve(t, memory.New(memory.NewBackend()), quick)
	configure(t, client)
	ended := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		var last error
		for e, err := range client.Watch(context.Background(), time.Second) {
			if last = err; e.SnapshotEnd {
				close(started)
			}
		}
		ended <- last
	}()
	<-started
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wants(t, "the watch", <-ended, fault.Draining)
	_, err := client.ApplyNetwork(t.Context(), fence(), networkSpec())
	wants(t, "Apply", err, fault.Draining)
}
