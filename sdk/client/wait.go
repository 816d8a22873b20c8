// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// How often an operation is looked at: often at first and after each change, then less and less.
const (
	waitShortest = 50 * time.Millisecond
	waitLongest  = 2 * time.Second
)

// Wait returns when an operation has ended: with its reason as the error if it did not succeed. progress, which may be
// nil, is called with the operation whenever it has changed. A core that is away is waited for, as long as ctx allows:
// progress then gets the last known operation with a WaitingFor that says so.
func (s *Operations) Wait(ctx context.Context, operation string, progress func(Operation)) (Operation, error) {
	if progress == nil {
		progress = func(Operation) {}
	}
	var last Operation
	pause := waitShortest
	for {
		now, err := s.look(ctx, operation, last)
		if err != nil {
			return last, err
		}
		if !reflect.DeepEqual(now, last) {
			progress(now)
			last, pause = now, waitShortest
		}
		if now.State.Ended() {
			return now, now.Err()
		}
		if err := sleep(ctx, pause); err != nil {
			return last, err
		}
		pause = min(pause*3/2, waitLongest)
	}
}

// look reads an operation; if the core is away, it is the last known one, which waits for the core.
func (s *Operations) look(ctx context.Context, operation string, last Operation) (Operation, error) {
	now, err := s.Get(ctx, operation)
	if err != nil && away(err) {
		last.ID = operation
		last.WaitingFor = fault.Of(err).Message
		return last, nil
	}
	return now, err
}

// away reports whether the core did not answer, or not now.
func away(err error) bool {
	return errors.Is(err, &fault.Error{Reason: fault.CoreAway}) || fault.CodeOf(err) == fault.Unavailable
}

// sleep waits for about d: clients that were cut off together come back apart.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fault.Of(ctx.Err())
	}
}
