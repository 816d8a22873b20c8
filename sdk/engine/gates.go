// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"sync"
)

// gates serialises the decisions about one object.
type gates struct {
	mu   sync.Mutex
	held map[string]*gate
}

type gate struct {
	token chan struct{} // holds one token while the gate is free
	users int
}

// enter waits until key is free, or ctx ends. The caller must call leave.
func (g *gates) enter(ctx context.Context, key string) (leave func(), err error) {
	g.mu.Lock()
	at, ok := g.held[key]
	if !ok {
		at = &gate{token: make(chan struct{}, 1)}
		at.token <- struct{}{}
		g.held[key] = at
	}
	at.users++
	g.mu.Unlock()

	select {
	case <-at.token:
		return func() {
			at.token <- struct{}{}
			g.release(key, at)
		}, nil
	case <-ctx.Done():
		g.release(key, at)
		return nil, ctx.Err()
	}
}

func (g *gates) release(key string, at *gate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if at.users--; at.users == 0 {
		delete(g.held, key)
	}
}
