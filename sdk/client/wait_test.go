// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/client"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// script answers one thing after the other, and the last one for ever.
func script(answers ...func(http.ResponseWriter)) http.HandlerFunc {
	var i atomic.Int32
	return func(w http.ResponseWriter, _ *http.Request) {
		n := min(int(i.Add(1)), len(answers))
		answers[n-1](w)
	}
}

func is(state client.OperationState, more string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		answer(w, 200, fmt.Sprintf(`{"id":"o","kind":"network.create","resource":{"name":"lan"},"state":%q%s}`, state, more))
	}
}

func hangUp(w http.ResponseWriter) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		c.Close()
	}
}

func TestWait(t *testing.T) {
	for name, c := range map[string]struct {
		answers []func(http.ResponseWriter)
		reason  fault.Reason
		seen    []string
	}{
		"succeeds": {
			[]func(http.ResponseWriter){is("pending", ""), is("running", ""), is("running", ""), is("running", `,"percent":50`), is("succeeded", "")},
			"", []string{"pending", "running", "running", "succeeded"},
		},
		"is over already": {[]func(http.ResponseWriter){is("succeeded", "")}, "", []string{"succeeded"}},
		"fails": {
			[]func(http.ResponseWriter){is("reverting", ""), is("failed", `,"error":{"code":"no_capacity","detail":"full","errors":[{"field":"/a","description":"b"}]}`)},
			fault.NoCapacity, []string{"reverting", "failed"},
		},
		"fails without a reason": {[]func(http.ResponseWriter){is("failed", "")}, fault.Bug, []string{"failed"}},
		"is canceled":            {[]func(http.ResponseWriter){is("canceled", "")}, fault.RequestCanceled, []string{"canceled"}},
		"is abandoned":           {[]func(http.ResponseWriter){is("abandoned", "")}, fault.OperationAbandon, []string{"abandoned"}},
		"the core restarts": {
			[]func(http.ResponseWriter){
				is("running", ""), hangUp, hangUp,
				func(w http.ResponseWriter) { answer(w, 503, `{"code":"backend_down","detail":"the database is away"}`) },
				is("running", ""), is("succeeded", ""),
			},
			"", []string{"running", "running, away", "running, away", "running", "succeeded"},
		},
		"is not there": {
			[]func(http.ResponseWriter){func(w http.ResponseWriter) { answer(w, 404, `{"code":"unknown_resource","detail":"no"}`) }},
			fault.UnknownResource, nil,
		},
	} {
		client1 := serve(t, script(c.answers...))
		var seen []string
		op, err := client1.Operations.Wait(t.Context(), "o", func(op client.Operation) {
			state := string(op.State)
			if op.WaitingFor != "" {
				state += ", away"
			}
			seen = append(seen, state)
		})
		if fault.ReasonOf(err) != c.reason || !slices.Equal(seen, c.seen) {
			t.Errorf("%s: %v (%s) after %q, want %s after %q", name, err, fault.ReasonOf(err), seen, c.reason, c.seen)
		}
		if c.seen != nil && string(op.State) != c.seen[len(c.seen)-1] {
			t.Errorf("%s: the operation is %s", name, op.State)
		}
	}
}

func TestWaitIsGivenUp(t *testing.T) {
	c := serve(t, script(is("waiting", `,"waiting_for":"provider hv1"`)))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	op, err := c.Operations.Wait(ctx, "o", nil)
	if fault.ReasonOf(err) != fault.Timeout || op.WaitingFor != "provider hv1" {
		t.Errorf("%v, %v", op, err)
	}
}

func event(position int) string {
	return fmt.Sprintf("id: %d\ndata: {\"position\":%d,\"type\":\"t\"}\n\n", position, position)
}

func TestWatchGoesOnWhereItStopped(t *testing.T) {
	var connections atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		after := r.URL.Query().Get("after")
		switch connections.Add(1) {
		case 1:
			if after != "4" || r.URL.Query().Get("project") != "alice" || r.Header.Get("Accept") != "text/event-stream" {
				t.Errorf("first request: %s %v", r.URL, r.Header)
			}
			fmt.Fprint(w, ": rhyzome\n\n", event(5), ": alive\n\n", event(6), "data: {\"position\":7") // cut off
		case 2:
			hangUp(w)
		case 3:
			if after != "6" {
				t.Errorf("it went on after %s", after)
			}
			fmt.Fprint(w, event(7))
		default:
			answer(w, 403, `{"code":"forbidden","detail":"no more"}`)
		}
	})
	var got []int64
	var failed error
	for e, err := range c.Events.Watch(t.Context(), 4, "alice") {
		if err != nil {
			failed = err
			continue
		}
		got = append(got, e.Position)
	}
	if !slices.Equal(got, []int64{5, 6, 7}) || fault.ReasonOf(failed) != fault.Forbidden {
		t.Errorf("events = %v, %v", got, failed)
	}
}

func TestWatchEndsWhenItIsEnough(t *testing.T) {
	gone := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, event(1), event(2))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(gone)
	})
	for e, err := range c.Events.Watch(t.Context(), 0, "") {
		if err != nil || e.Position != 1 {
			t.Fatalf("%v, %v", e, err)
		}
		break
	}
	<-gone
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range c.Events.Watch(ctx, 0, "") {
		if fault.ReasonOf(err) != fault.RequestCanceled {
			t.Errorf("given up: %v", err)
		}
	}
}

func TestAnEventThatCannotBeRead(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "data: {\n\n") })
	var errs []error
	for _, err := range c.Events.Watch(t.Context(), 0, "") {
		errs = append(errs, err)
	}
	if len(errs) != 1 || fault.ReasonOf(errs[0]) != fault.Bug {
		t.Errorf("%v", errs)
	}
}
