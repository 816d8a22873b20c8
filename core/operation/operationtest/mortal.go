// SPDX-License-Identifier: Apache-2.0

package operationtest

import (
	"context"
	"errors"
	"sync"

	"github.com/rhyzome/rhyzome/core"
)

// mortal is a store as one process has it: after the process died, nothing that is left of it can read or write.
type mortal struct {
	core.Store
	once sync.Once
	died chan struct{}
}

var errDead = errors.New("the process is dead")

func (m *mortal) die() { m.once.Do(func() { close(m.died) }) }

func (m *mortal) dead() bool {
	select {
	case <-m.died:
		return true
	default:
		return false
	}
}

func (m *mortal) View(ctx context.Context, f func(core.Tx) error) error {
	if m.dead() {
		return errDead
	}
	return m.Store.View(ctx, f)
}

func (m *mortal) Update(ctx context.Context, f func(core.Tx) error) error {
	if m.dead() {
		return errDead
	}
	return m.Store.Update(ctx, func(tx core.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		if m.dead() { // in the middle of the transaction
			return errDead
		}
		return nil
	})
}
