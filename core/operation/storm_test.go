// SPDX-License-Identifier: Apache-2.0

package operation_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/operation"
)

// Everything at once: faults, cancels, abandons, wakes. Every operation ends, and what it made is there exactly if it
// succeeded; of an abandoned one, whatever was there when it was given up.
func TestStorm(t *testing.T) {
	const things = 150
	inBubble(t, func(t *testing.T, s *system) {
		var mu sync.Mutex
		made := map[string]int{}
		act := func(change func(string)) func(context.Context, *operation.Run) error {
			return func(ctx context.Context, r *operation.Run) error {
				r.Progress("working", rand.N(100))
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(rand.N(3 * time.Second)):
				}
				if rand.N(4) == 0 {
					return errAway
				}
				mu.Lock()
				defer mu.Unlock()
				change(r.Operation.Resource.ID)
				return nil
			}
		}
		create := act(func(id string) { made[id] = 1 })
		remove := act(func(id string) { delete(made, id) })
		check := func(context.Context, *operation.Run) error {
			if rand.N(5) == 0 {
				return errBroken
			}
			return nil
		}
		plan := operation.Plan{Kind: "thing.create", Steps: []operation.Step{{Name: "make", Do: create, Undo: remove}, {Name: "check", Do: check}}}
		r := s.runner(plan)
		stop := s.run(r)
		var ops []core.Operation
		for i := range things {
			ops = append(ops, s.accept(r, fmt.Sprint(i)))
		}
		var wg sync.WaitGroup
		for i, op := range ops {
			wg.Go(func() {
				time.Sleep(rand.N(8 * time.Second))
				switch i % 5 { // one that has ended refuses, which is fine here
				case 0:
					_, _ = r.Cancel(t.Context(), op.ID)
				case 1:
					_, _ = r.Abandon(t.Context(), op.ID)
				case 2:
					r.Wake()
				}
			})
		}
		wg.Wait()
		ends := map[core.OperationState]int{}
		for _, op := range ops {
			end := s.ended(op.ID).State
			ends[end]++
			mu.Lock()
			if want := end == core.OperationSucceeded; end != core.OperationAbandoned && (made[op.Resource.ID] == 1) != want {
				t.Errorf("%s %s, and made %d", op.Resource.ID, end, made[op.Resource.ID])
			}
			mu.Unlock()
		}
		stop()
		for _, state := range []core.OperationState{core.OperationSucceeded, core.OperationFailed, core.OperationCanceled, core.OperationAbandoned} {
			if ends[state] == 0 {
				t.Errorf("no operation %s: %v", state, ends)
			}
		}
	})
}
