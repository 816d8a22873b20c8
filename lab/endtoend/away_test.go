// SPDX-License-Identifier: Apache-2.0

package endtoend_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/sdk/client"
)

// TestProviderAway: with the router's provider gone, creating an instance says what it waits for, and goes on when the
// provider is back. Nobody intervenes.
func TestProviderAway(t *testing.T) {
	ctx := limit(t, 3*time.Minute)
	c := api(ctx, t)
	router := onMachine(ctx, t, "router")
	// Stopped, not killed: to the core a silence, not a closed connection.
	if err := router.SignalService(ctx, "rhyzome-openwrt", unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	resume := func() {
		if err := router.SignalService(ctx, "rhyzome-openwrt", unix.SIGCONT); err != nil {
			t.Error(err)
		}
	}
	defer resume()
	awaitState(t, "router", client.ProviderUnreachable)
	in, op, err := c.Instances.Create(ctx, "alice", newInstance("patient"))
	if err != nil {
		t.Fatal(err)
	}
	for op.State != client.OperationWaiting {
		if op, err = c.Operations.Get(ctx, op.ID); err != nil {
			t.Fatal(err)
		}
		if op.State.Ended() {
			t.Fatalf("the operation is %s: %v", op.State, op.Err())
		}
	}
	if !strings.Contains(op.WaitingFor, "router") {
		t.Errorf("waits for %q, which does not name the provider", op.WaitingFor)
	}
	resume()
	await(ctx, t, op)
	count(ctx, t, in, 1)
	deleteInstance(ctx, t, in)
	count(ctx, t, in, 0)
}

// awaitState returns when a provider has a state.
func awaitState(t *testing.T, provider string, want client.ProviderState) {
	t.Helper()
	ctx := limit(t, time.Minute)
	c := api(ctx, t)
	for {
		p, err := c.Providers.Get(ctx, provider)
		if err != nil {
			t.Fatalf("waiting for %s to be %s: %v", provider, want, err)
		}
		if p.Status.State == want {
			return
		}
	}
}
