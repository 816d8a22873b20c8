// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// What a provider may report. What comes faster waits in the connection; log lines above the limit are dropped.
const (
	missedHeartbeats = 3
	maxSnapshot      = 200_000 // objects
	reportsPerSecond = 2000
	linesPerSecond   = 50
)

// watcher is the state of one Watch.
type watcher struct {
	*Session
	attached bool
	snapshot core.Snapshot
	size     int
	reports  *rate.Limiter
	lines    *rate.Limiter
	dropped  int
}

// watch follows what the provider observes until the session ends. While nothing is waited for but the next message,
// three heartbeats' silence ends it: the time that an observer takes is not the provider's.
func (s *Session) watch() error {
	w := &watcher{
		Session: s,
		reports: rate.NewLimiter(reportsPerSecond, 2*reportsPerSecond),
		lines:   rate.NewLimiter(linesPerSecond, 4*linesPerSecond),
	}
	silence := s.patience(missedHeartbeats * s.heartbeat)
	alarm := time.AfterFunc(silence, func() {
		s.end(fault.New(fault.ProviderAway, "silent: %d heartbeats of %s were missed", missedHeartbeats, s.heartbeat))
	})
	defer alarm.Stop()
	for event, err := range s.link.client.Watch(s.ctx, s.heartbeat) {
		alarm.Stop()
		if s.ctx.Err() != nil {
			break
		}
		if fault.ReasonOf(err) == fault.ProviderAway {
			return errConnectionLost
		}
		if err != nil {
			return cleanFault(fault.Of(err))
		}
		if s.expired() {
			return errExpired
		}
		if err := w.handle(event); err != nil {
			return err
		}
		alarm.Reset(silence)
	}
	return context.Cause(s.ctx)
}

func (w *watcher) handle(e wire.Event) error {
	switch {
	case e.Log != nil:
		w.ship(*e.Log)
		return nil
	case e.Heartbeat != nil:
		if w.attached && time.Since(w.told) > w.heartbeat/2 { // those that queued behind a slow observer tell nothing new
			w.seen(w.state, w.message)
		}
		return nil
	case e.Status != nil:
		w.status(*e.Status)
		return nil
	case e.SnapshotEnd:
		return w.complete()
	}
	if err := w.reports.Wait(w.ctx); err != nil {
		return err
	}
	change, ok := w.clean(e)
	if !ok {
		return nil
	}
	if !w.attached {
		return w.collect(change)
	}
	return w.changed(change)
}

// status passes on how the provider is. One that is well says so when its snapshot is complete.
func (w *watcher) status(s wire.Status) {
	state := core.ProviderDegraded
	switch s.State {
	case wire.StateReady:
		state = core.ProviderReady
	case wire.StateDraining:
		state = core.ProviderDraining
	case wire.StateDrained:
		state = core.ProviderDrained
	}
	if !w.attached && state == core.ProviderReady {
		w.state, w.message = state, ""
		return
	}
	w.seen(state, s.Message)
}

// complete reports the snapshot; the provider then gets work.
func (w *watcher) complete() error {
	if w.attached {
		return nil
	}
	if err := w.host.Observer.Attached(w.ctx, w.provider.ID, w.info(), w.snapshot); err != nil {
		return err
	}
	w.attached, w.snapshot = true, core.Snapshot{}
	w.seen(w.state, w.message)
	w.ready.Store(true)
	w.log.Info("provider attached", "plugin", w.described.Name, "version", w.described.Version)
	w.host.OnAttach(w.provider.ID)
	if w.link.tell != nil {
		w.link.tell(News{Ready: true})
	}
	go w.renewStale()
	return nil
}

// changed tells those who wait for the object first: recording takes longer. What could not be recorded comes again
// with the next snapshot.
func (w *watcher) changed(c core.Change) error {
	w.waiters.tell(c)
	if err := w.host.Observer.Observed(w.ctx, w.provider.ID, c); err != nil && w.ctx.Err() == nil {
		w.log.Error("cannot record what a provider reports", "error", err)
	}
	return nil
}

// collect adds to the snapshot.
func (w *watcher) collect(c core.Change) error {
	if w.size++; w.size > maxSnapshot {
		return fault.New(fault.TooLarge, "the provider reports more than %d objects", maxSnapshot)
	}
	s := &w.snapshot
	switch {
	case c.Host != nil:
		s.Hosts = append(s.Hosts, *c.Host)
	case c.Router != nil:
		s.Routers = append(s.Routers, *c.Router)
	case c.Instance != nil:
		s.Instances = append(s.Instances, *c.Instance)
	case c.Network != nil:
		s.Networks = append(s.Networks, *c.Network)
	case c.Port != nil:
		s.Ports = append(s.Ports, *c.Port)
	case c.Peer != nil:
		s.Peers = append(s.Peers, *c.Peer)
	}
	return nil
}

// ship writes a line of the provider's log into ours.
func (w *watcher) ship(l wire.LogRecord) {
	if !w.lines.Allow() {
		w.dropped++
		return
	}
	if w.dropped > 0 {
		w.log.Warn("a provider logs too much", "dropped", w.dropped)
		w.dropped = 0
	}
	args := []any{}
	for k, v := range cleanMap(l.Attributes) {
		args = append(args, k, v)
	}
	w.log.WithGroup("remote").Log(w.ctx, l.Level, clean(l.Message, maxText), args...)
}

// clean makes a change of an event; false for one that we don't know, or that the provider was not admitted for.
func (w *watcher) clean(e wire.Event) (core.Change, bool) {
	switch {
	case e.Host != nil:
		return core.Change{Host: cleanHost(*e.Host)}, w.admitted(wire.ServiceCompute)
	case e.Router != nil:
		return core.Change{Router: cleanRouter(*e.Router)}, w.admitted(wire.ServiceNetwork)
	case e.Instance != nil:
		i := cleanInstance(*e.Instance)
		return core.Change{Instance: &i}, true
	case e.Network != nil:
		n := cleanNetwork(*e.Network)
		return core.Change{Network: &n}, true
	case e.Port != nil:
		p := cleanPort(*e.Port)
		return core.Change{Port: &p}, true
	case e.Peer != nil:
		p := cleanPeer(*e.Peer)
		return core.Change{Peer: &p}, true
	case e.Removed != nil:
		return core.Change{Removed: &core.Removed{Kind: e.Removed.Kind, ID: clean(e.Removed.ID, maxID)}}, true
	}
	return core.Change{}, false
}
