// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"sync"
	"time"

	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// settleWithin is how long a drained provider waits for its watches.
const settleWithin = 2 * time.Second

// watches are the streams that are open now.
type watches struct {
	mu   sync.Mutex
	open map[*watch]struct{}
}

func (s *watches) add(w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[w] = struct{}{}
}

func (s *watches) remove(w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, w)
}

func (s *watches) each(f func(*watch)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.open {
		f(w)
	}
}

// changed says that an object may look different now; an empty id means all of the kind. It never blocks.
func (s *watches) changed(kind provider.Kind, id string) {
	s.each(func(w *watch) { w.changed(kind, id) })
}

// recheck says that the provider's own condition may have changed.
func (s *watches) recheck() { s.each(func(w *watch) { poke(w.recheck) }) }

// settle waits until every watch has told what is to be told before the process ends, a moment at most.
func (s *watches) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		settled := true
		s.each(func(w *watch) { settled = settled && w.settled() })
		if settled || !wait(ctx, tick.C) {
			return
		}
	}
}

// log ships a record to everybody who watches. Who does not keep up misses some.
func (s *watches) log(record wire.LogRecord) {
	s.each(func(w *watch) {
		select {
		case w.logs <- record:
		default:
		}
	})
}

// poke wakes the reader of a channel that holds one signal.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
