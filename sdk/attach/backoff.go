// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	backoffBase  = 100 * time.Millisecond
	backoffCap   = 5 * time.Second
	backoffReset = 5 * time.Second // a life of this length was a good one
)

// Backoff waits between attempts, with full jitter: a thousand providers that lost their core together don't come
// back together.
type Backoff struct {
	failures int
	random   func(limit time.Duration) time.Duration // of [0, limit); nil for rand.N
}

// next returns how long to wait before the next attempt.
func (b *Backoff) next() time.Duration {
	limit := backoffCap
	if d := backoffBase << min(b.failures, 16); d < limit {
		limit = d
	}
	b.failures++
	if b.random != nil {
		return b.random(limit)
	}
	return rand.N(limit)
}

// Wait waits for the next attempt; false if ctx ended.
func (b *Backoff) Wait(ctx context.Context) bool { return b.WaitFrom(ctx, time.Now()) }

// WaitFrom is Wait for an attempt that began at a time and took long to fail: the wait counts from there, so that
// attempts begin no further apart because the network swallows them.
func (b *Backoff) WaitFrom(ctx context.Context, began time.Time) bool {
	t := time.NewTimer(time.Until(began.Add(b.next())))
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// Lived resets the backoff after a life that lasted.
func (b *Backoff) Lived(d time.Duration) {
	if d >= backoffReset {
		b.failures = 0
	}
}

// Reset begins with the shortest wait again: the attempt succeeded.
func (b *Backoff) Reset() { b.failures = 0 }
