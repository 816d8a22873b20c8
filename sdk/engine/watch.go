// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// Where the backend has events, objects are still read at every resyncTicks-th look: an event may have been lost.
const resyncTicks = 12

// Limits of a watch.
const (
	defaultHeartbeat = 2 * time.Second
	minHeartbeat     = 100 * time.Millisecond
	maxHeartbeat     = time.Minute
	logBuffer        = 256
)

// watch is one stream. Its parts run side by side: a backend that hangs stops no heartbeat.
type watch struct {
	e       *Engine
	wake    chan struct{} // something is dirty
	recheck chan struct{}
	logs    chan wire.LogRecord

	mu      sync.Mutex
	dirty   map[key]struct{}
	looking bool // at what was dirty
	drained bool // the core was told

	relistAll atomic.Bool // the next look is at everything: events may have been lost

	sending sync.Mutex
	stream  func(*pb.WatchResponse) error

	// Used by observe alone.
	known map[key]*pb.WatchResponse
	ticks int
}

// key names an object; an empty id stands for all of its kind.
type key struct {
	kind provider.Kind
	id   string
}

func newWatch(e *Engine, stream func(*pb.WatchResponse) error) *watch {
	return &watch{
		e: e, stream: stream,
		wake: make(chan struct{}, 1), recheck: make(chan struct{}, 1), logs: make(chan wire.LogRecord, logBuffer),
		dirty: map[key]struct{}{}, known: map[key]*pb.WatchResponse{},
	}
}

// run sends until ctx ends or the stream breaks.
func (w *watch) run(ctx context.Context, heartbeat time.Duration) error {
	w.e.watches.add(w)
	defer w.e.watches.remove(w)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.heartbeats(ctx, heartbeat) })
	group.Go(func() error { return w.health(ctx) })
	group.Go(func() error { return w.ship(ctx) })
	group.Go(func() error { return w.observe(ctx) })
	if w.e.watcher != nil {
		group.Go(func() error { return w.listen(ctx) })
	}
	return group.Wait()
}

func (w *watch) send(m *pb.WatchResponse) error {
	w.sending.Lock()
	defer w.sending.Unlock()
	return wire.FromStatus(w.stream(m))
}

func (w *watch) heartbeats(ctx context.Context, interval time.Duration) error {
	if interval <= 0 {
		interval = defaultHeartbeat
	}
	ticker := time.NewTicker(min(max(interval, minHeartbeat), maxHeartbeat))
	defer ticker.Stop()
	for {
		now := w.e.options.Now()
		if err := w.send(wire.EventToProto(wire.Event{Heartbeat: &now})); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ship sends the log.
func (w *watch) ship(ctx context.Context) error {
	for {
		select {
		case record := <-w.logs:
			if err := w.send(wire.EventToProto(wire.Event{Log: &record})); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// changed marks an object as dirty.
func (w *watch) changed(kind provider.Kind, id string) {
	w.mu.Lock()
	w.dirty[key{kind, id}] = struct{}{}
	w.mu.Unlock()
	poke(w.wake)
}

func (w *watch) takeDirty() map[key]struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.dirty
	w.dirty, w.looking = map[key]struct{}{}, true
	return taken
}

// looked says that what was dirty was shown.
func (w *watch) looked() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looking = false
}

// settled reports whether everything was sent that a core should know before this process ends.
func (w *watch) settled() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.drained && !w.looking && len(w.dirty) == 0
}

// observe sends the snapshot, and then what differs from it.
func (w *watch) observe(ctx context.Context) error {
	ticker := time.NewTicker(w.e.options.PollInterval)
	defer ticker.Stop()
	for complete := false; !complete; {
		var err error
		if complete, err = w.snapshot(ctx); err != nil {
			return err
		}
		if !complete && !wait(ctx, ticker.C) {
			return ctx.Err()
		}
	}
	for {
		var err error
		select {
		case <-ticker.C:
			err = w.poll(ctx)
		case <-w.wake:
			err = w.refresh(ctx)
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

func wait(ctx context.Context, tick <-chan time.Time) bool {
	select {
	case <-tick:
		return true
	case <-ctx.Done():
		return false
	}
}

// snapshot sends everything, or nothing if the backend does not tell everything.
func (w *watch) snapshot(ctx context.Context) (complete bool, err error) {
	lists := make([]map[string]wire.Event, len(w.e.sources))
	for i, s := range w.e.sources {
		if lists[i], err = s.all(ctx); err != nil {
			w.failed(ctx, s, err)
			return false, ctx.Err()
		}
	}
	for i, s := range w.e.sources {
		if err := w.differences(s, lists[i]); err != nil {
			return false, err
		}
	}
	return true, w.send(wire.EventToProto(wire.Event{SnapshotEnd: true}))
}

// poll reads what no event tells of.
func (w *watch) poll(ctx context.Context) error {
	w.ticks++
	everything := w.e.watcher == nil || w.relistAll.Swap(false) || w.ticks%resyncTicks == 0
	for _, s := range w.e.sources {
		if s.one != nil && !everything {
			continue
		}
		if err := w.relist(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (w *watch) relist(ctx context.Context, s source) error {
	list, err := s.all(ctx)
	if err != nil {
		w.failed(ctx, s, err)
		return nil
	}
	return w.differences(s, list)
}

// differences sends what is new, changed or gone.
func (w *watch) differences(s source, list map[string]wire.Event) error {
	for id, event := range list {
		if err := w.show(key{s.kind, id}, event); err != nil {
			return err
		}
	}
	for k := range w.known {
		if _, present := list[k.id]; k.kind == s.kind && !present {
			if err := w.removed(k); err != nil {
				return err
			}
		}
	}
	return nil
}

// refresh looks at what is dirty.
func (w *watch) refresh(ctx context.Context) error {
	dirty := w.takeDirty()
	defer w.looked()
	for _, s := range w.e.sources {
		if _, all := dirty[key{kind: s.kind}]; all {
			if err := w.relist(ctx, s); err != nil {
				return err
			}
			continue
		}
		for k := range dirty {
			if k.kind != s.kind {
				continue
			}
			if err := w.refreshOne(ctx, s, k); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *watch) refreshOne(ctx context.Context, s source, k key) error {
	event, err := s.one(ctx, k.id)
	switch {
	case errors.Is(err, noSuchObject):
		return w.removed(k)
	case err != nil:
		w.failed(ctx, s, err)
		return nil
	}
	return w.show(k, event)
}

// show sends an object, unless the stream knows it so already.
func (w *watch) show(k key, event wire.Event) error {
	m := wire.EventToProto(event)
	bare := proto.CloneOf(m)
	if o := observed(bare); o != nil {
		o.ObservedAt = nil
	}
	if proto.Equal(bare, w.known[k]) {
		return nil
	}
	w.known[k] = bare
	return w.send(m)
}

// observed finds the part that all kinds of objects have.
func observed(m *pb.WatchResponse) *pb.Observed {
	switch e := m.GetEvent().(type) {
	case *pb.WatchResponse_Instance:
		return e.Instance.GetObserved()
	case *pb.WatchResponse_Network:
		return e.Network.GetObserved()
	case *pb.WatchResponse_Port:
		return e.Port.GetObserved()
	case *pb.WatchResponse_Peer:
		return e.Peer.GetObserved()
	case *pb.WatchResponse_Forward:
		return e.Forward.GetObserved()
	case *pb.WatchResponse_Volume:
		return e.Volume.GetObserved()
	case *pb.WatchResponse_Snapshot:
		return e.Snapshot.GetObserved()
	}
	return nil
}

func (w *watch) removed(k key) error {
	if _, ok := w.known[k]; !ok {
		return nil
	}
	delete(w.known, k)
	if k.kind == kindHost || k.kind == kindRouter || k.kind == kindPool {
		return nil
	}
	return w.send(wire.EventToProto(wire.Event{Removed: &wire.Removed{Kind: k.kind, ID: k.id}}))
}

// failed notes that the backend did not answer. Health tells the core; the next look repairs what was missed.
func (w *watch) failed(ctx context.Context, s source, err error) {
	if ctx.Err() == nil {
		w.e.log.Debug("the backend cannot be observed", "kind", s.kind, "error", err)
	}
}
