// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"sync"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// objectKey names an object of one provider.
type objectKey struct {
	kind provider.Kind
	id   string
}

// waiters are the calls that wait for what Watch reports of an object.
type waiters struct {
	mu   sync.Mutex
	each map[objectKey]map[chan core.Change]struct{}
}

func newWaiters() waiters { return waiters{each: map[objectKey]map[chan core.Change]struct{}{}} }

// join returns a channel that holds the latest report of an object that was not read yet.
func (w *waiters) join(k objectKey) (reports <-chan core.Change, leave func()) {
	c := make(chan core.Change, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.each[k] == nil {
		w.each[k] = map[chan core.Change]struct{}{}
	}
	w.each[k][c] = struct{}{}
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.each[k], c)
		if len(w.each[k]) == 0 {
			delete(w.each, k)
		}
	}
}

// tell passes a report to those who wait for its object. It never blocks: a newer report takes an older one's place.
func (w *waiters) tell(change core.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.each[keyOf(change)] {
		select {
		case <-c:
		default:
		}
		c <- change
	}
}

// keyOf returns which object a change is of; nobody waits for hosts and routers.
func keyOf(c core.Change) objectKey {
	switch {
	case c.Instance != nil:
		return objectKey{provider.KindInstance, c.Instance.ID}
	case c.Network != nil:
		return objectKey{provider.KindNetwork, c.Network.ID}
	case c.Port != nil:
		return objectKey{provider.KindPort, c.Port.ID}
	case c.Peer != nil:
		return objectKey{provider.KindPeer, c.Peer.ID}
	case c.Removed != nil:
		return objectKey{c.Removed.Kind, c.Removed.ID}
	}
	return objectKey{}
}
