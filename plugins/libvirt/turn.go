// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// settle is how long a caller whose context has ended waits for the step that runs, to learn how it ended.
const settle = 500 * time.Millisecond

// look runs do, which reads, with a link to libvirtd.
func look[T any](ctx context.Context, p *Provider, do func(*backend, *link) (T, error)) (T, error) {
	return await(ctx, func() (T, error) { return connected(ctx, p, do) })
}

// change runs do, which changes the instance, in its turn. do must stop soon after ctx ended; the turn is over when it
// has, even if the caller did not wait: what comes next never runs beside a call that is stuck in libvirt.
func change[T any](ctx context.Context, p *Provider, id string, do func(*backend, *link) (T, error)) (T, error) {
	return await(ctx, func() (T, error) {
		leave, err := p.turns.enter(ctx, id)
		if err != nil {
			var none T
			return none, err
		}
		defer leave()
		return connected(ctx, p, do)
	})
}

func connected[T any](ctx context.Context, p *Provider, do func(*backend, *link) (T, error)) (T, error) {
	var none T
	b, err := p.configured()
	if err != nil {
		return none, err
	}
	l, err := b.connection.use(ctx)
	if err != nil {
		return none, err
	}
	defer l.release()
	v, err := do(b, l)
	return v, l.explain(err)
}

type outcome[T any] struct {
	value T
	err   error
}

// await runs do and returns what it returned, or shortly after the end of ctx without that: calls of libvirt know no
// context.
func await[T any](ctx context.Context, do func() (T, error)) (T, error) {
	ended := make(chan outcome[T], 1)
	go func() {
		var o outcome[T]
		defer func() {
			if p := recover(); p != nil {
				slog.Error("the libvirt provider panicked", "error", p, "stack", string(debug.Stack()))
				o.err = fault.New(fault.Panic, "the libvirt provider panicked")
			}
			ended <- o
		}()
		o.value, o.err = do()
	}()
	select {
	case o := <-ended:
		return o.value, o.err
	case <-ctx.Done():
	}
	t := time.NewTimer(settle)
	defer t.Stop()
	select {
	case o := <-ended:
		return o.value, o.err
	case <-t.C:
		var none T
		return none, ctx.Err()
	}
}

// turns lets one change at a time at each instance.
type turns struct {
	mu   sync.Mutex
	held map[string]*turn
}

type turn struct {
	token chan struct{} // full while somebody has it
	users int
}

// enter waits for the turn. The caller must call leave.
func (t *turns) enter(ctx context.Context, id string) (leave func(), err error) {
	t.mu.Lock()
	at := t.held[id]
	if at == nil {
		at = &turn{token: make(chan struct{}, 1)}
		t.held[id] = at
	}
	at.users++
	t.mu.Unlock()
	select {
	case at.token <- struct{}{}:
		return func() {
			<-at.token
			t.forget(id, at)
		}, nil
	case <-ctx.Done():
		t.forget(id, at)
		return nil, ctx.Err()
	}
}

func (t *turns) forget(id string, at *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at.users--; at.users == 0 {
		delete(t.held, id)
	}
}
