// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestWithoutDeadline(t *testing.T) {
	late, cancelLate := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancelLate()
	ctx, done := withoutDeadline(late)
	if _, has := ctx.Deadline(); has || ctx.Err() != nil {
		t.Errorf("a deadline ends it: %v", ctx.Err())
	}
	done()
	if !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("after the call it goes on: %v", ctx.Err())
	}
	why := errors.New("why")
	parent, cancel := context.WithCancelCause(t.Context())
	ctx, done = withoutDeadline(parent)
	defer done()
	cancel(why)
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), why) {
		t.Errorf("it was canceled because of %v", context.Cause(ctx))
	}
}
