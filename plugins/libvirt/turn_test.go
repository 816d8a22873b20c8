// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// TestTurnEndsWithTheWork: a caller that gives up on a call that is stuck does not let the next one in beside it.
func TestTurnEndsWithTheWork(t *testing.T) {
	ts := turns{held: map[string]*turn{}}
	inTurn := func(ctx context.Context, do func()) error {
		_, err := await(ctx, func() (struct{}, error) {
			leave, err := ts.enter(ctx, "a")
			if err != nil {
				return struct{}{}, err
			}
			defer leave()
			do()
			return struct{}{}, nil
		})
		return err
	}
	stuck, entered := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() {
		gaveUp <- inTurn(ctx, func() { close(entered); <-stuck })
	}()
	<-entered
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Fatalf("the first = %v", err)
	}
	short, cancelShort := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancelShort()
	if err := inTurn(short, func() { t.Error("two at a time") }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second = %v", err)
	}
	close(stuck)
	var ran atomic.Bool
	if err := inTurn(t.Context(), func() { ran.Store(true) }); err != nil || !ran.Load() {
		t.Errorf("the third = %v", err)
	}
	if len(ts.held) != 0 {
		t.Errorf("%d turns are kept", len(ts.held))
	}
}

func TestAwaitTurnsAPanicIntoAFault(t *testing.T) {
	_, err := await(t.Context(), func() (int, error) { panic("oops") })
	if fault.ReasonOf(err) != fault.Panic {
		t.Errorf("await = %v", err)
	}
}
