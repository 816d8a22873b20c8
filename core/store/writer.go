// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/uptrace/bun"
)

// maxBatch bounds how many updates share one commit, and so how long the first of them waits.
const maxBatch = 64

// writer runs updates one after the other, and lets those that queue share a commit: the cost of a commit is the wait
// for the disk. Each update runs in a savepoint, so that its failure undoes nothing of the others. The last update
// without another one behind it commits for all.
type writer struct {
	db        *bun.DB
	committed func() // called after a commit that brings events

	waiting atomic.Int32 // updates that wait for turn
	turn    sync.Mutex
	open    *batch // guarded by turn
}

// batch is the updates of one commit.
type batch struct {
	tx     bun.Tx
	size   int
	events bool
	done   chan struct{} // closed when the outcome is known
	err    error         // the outcome; read after done
}

type updateFunc func(ctx context.Context, db bun.IDB) (events bool, err error)

func (w *writer) update(ctx context.Context, f updateFunc) error {
	b, err := w.join(ctx, f)
	if err != nil {
		return err
	}
	<-b.done
	return b.err
}

// join runs f as a part of the open batch.
func (w *writer) join(ctx context.Context, f updateFunc) (*batch, error) {
	w.waiting.Add(1)
	w.turn.Lock()
	defer w.turn.Unlock()
	w.waiting.Add(-1)
	defer w.finish() // also when f panics: others may have done their part already
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if w.open == nil {
		t, err := w.db.BeginTx(context.WithoutCancel(ctx), nil)
		if err != nil {
			return nil, failed("cannot begin to write", err)
		}
		w.open = &batch{tx: t, done: make(chan struct{})}
	}
	b := w.open
	return b, b.run(ctx, f)
}

// run calls f in a savepoint. An interrupted statement would roll back the whole batch, so f's statements don't end
// with ctx; they are short.
func (b *batch) run(ctx context.Context, f updateFunc) error {
	ctx = context.WithoutCancel(ctx)
	if _, err := b.tx.ExecContext(ctx, "SAVEPOINT one"); err != nil {
		b.err = failed("cannot begin to write", err)
		return b.err
	}
	kept := false
	defer func() {
		if kept {
			return
		}
		if _, err := b.tx.ExecContext(ctx, "ROLLBACK TO one; RELEASE one"); err != nil {
			b.err = failed("cannot undo a write", err)
		}
	}()
	events, err := f(ctx, b.tx)
	if err != nil {
		return err
	}
	if _, err := b.tx.ExecContext(ctx, "RELEASE one"); err != nil {
		return failed("cannot keep a write", err)
	}
	kept = true
	b.size++
	b.events = b.events || events
	return nil
}

// finish ends the open batch if nobody is about to join it, if it is large, or if it is broken.
func (w *writer) finish() {
	b := w.open
	if b == nil || b.err == nil && b.size < maxBatch && w.waiting.Load() > 0 {
		return
	}
	w.open = nil
	switch {
	case b.err != nil:
		b.err = errors.Join(b.err, ignoreDone(b.tx.Rollback()))
	case b.size == 0:
		b.err = ignoreDone(b.tx.Rollback())
	default:
		if err := b.tx.Commit(); err != nil {
			b.err = failed("cannot commit", err)
		}
	}
	if b.err == nil && b.events {
		w.committed()
	}
	close(b.done)
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}
