// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"errors"
	"time"

	"github.com/rhyzome/rhyzome/plugins/openwrt/uci"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// recoveryTimeout bounds undoing and finishing, which go on when the caller has given up.
const recoveryTimeout = 5 * time.Minute

// recover brings a transaction that was broken off to an end, before the next one, and removes what a dead process left. A
// removal is finished, everything else undone.
func (r *router) recover(ctx context.Context) error {
	if err := r.dir.Sweep(); err != nil {
		return configFault(err)
	}
	j, err := r.pendingJournal()
	if j == nil || err != nil {
		return err
	}
	if len(j.Finish) > 0 {
		r.log.Warn("finishing a removal that was broken off")
		err = r.follow(ctx, j.Changes, j.Finish, j.Effects)
	} else {
		r.log.Warn("undoing a change that was broken off")
		err = r.undo(ctx, *j)
	}
	if err == nil {
		err = r.endJournal()
	}
	if err != nil {
		return described(fault.BackendDown, err, "a change that was broken off stands in the way: %s", fault.Of(err).Message)
	}
	return nil
}

// undo takes our sections back to what they were, and the router with them. What the owner changed meanwhile stays.
func (r *router) undo(ctx context.Context, j journal) error {
	return r.follow(ctx, j.inverse(), j.Undo, effects{Handles: j.Effects.Handles})
}

// follow writes the files and has the router follow, as far as it can: it does every step, and reports what failed.
func (r *router) follow(ctx context.Context, changes map[string][]uci.Change, steps []step, e effects) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recoveryTimeout)
	defer cancel()
	err := r.write(ctx, changes)
	for _, s := range steps {
		err = errors.Join(err, r.take(ctx, s, e))
		if s == stepNetwork {
			r.settle(ctx, e.Handles)
		}
	}
	return err
}

// settle waits until netifd has brought the networks to what is configured. If it cannot, then it could not before.
func (r *router) settle(ctx context.Context, handles []string) {
	for _, handle := range handles {
		f, err := r.load()
		if err == nil {
			if _, there := f.network.Section(lanName(handle)); there {
				err = r.awaitUp(ctx, handle)
			} else {
				err = r.awaitGone(ctx, handle)
			}
		}
		if err != nil {
			r.log.Warn("a network is not as configured", "interface", lanName(handle), "error", err)
		}
	}
}

// repair brings at once to an end what was broken off, but for one thing: what was to be made, and is half made, stays
// until the next change. The core sees it in the list, and decides.
func (r *router) repair(ctx context.Context) error {
	j, err := r.pendingJournal()
	if err != nil || j == nil || j.creates() {
		return err
	}
	return r.recover(ctx)
}
