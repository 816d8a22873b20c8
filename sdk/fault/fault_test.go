// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

func TestReasonsAreUniqueAndComplete(t *testing.T) {
	seen := map[fault.Reason]bool{}
	for _, a := range fault.Reasons {
		if seen[a.Reason] {
			t.Errorf("%s is listed twice", a.Reason)
		}
		seen[a.Reason] = true
		if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(string(a.Reason)) {
			t.Errorf("%q is not lower snake case", a.Reason)
		}
		if a.Meaning == "" || a.WayOut == "" || a.Code == fault.OK {
			t.Errorf("%s: incomplete", a.Reason)
		}
	}
}

func TestOf(t *testing.T) {
	full := fault.New(fault.SubnetFull, "network %s is full", "a")
	for _, c := range []struct {
		err    error
		code   fault.Code
		reason fault.Reason
	}{
		{nil, fault.OK, ""},
		{full, fault.ResourceExhausted, fault.SubnetFull},
		{fmt.Errorf("step: %w", full), fault.ResourceExhausted, fault.SubnetFull},
		{context.Canceled, fault.Canceled, fault.RequestCanceled},
		{fmt.Errorf("call: %w", context.DeadlineExceeded), fault.DeadlineExceeded, fault.Timeout},
		{io.EOF, fault.Internal, fault.Bug},
	} {
		if got := fault.CodeOf(c.err); got != c.code {
			t.Errorf("CodeOf(%v) = %v, want %v", c.err, got, c.code)
		}
		if got := fault.ReasonOf(c.err); got != c.reason {
			t.Errorf("ReasonOf(%v) = %v, want %v", c.err, got, c.reason)
		}
	}
	if !errors.Is(fmt.Errorf("x: %w", full), &fault.Error{Reason: fault.SubnetFull}) {
		t.Error("errors.Is does not find the reason")
	}
	if f := fault.Of(io.EOF); f.Message == io.EOF.Error() {
		t.Error("a plain error's text became the message for users")
	}
}

func TestJoinKeepsEveryField(t *testing.T) {
	if err := fault.Join(nil, nil); err != nil {
		t.Fatalf("Join of nothing = %v", err)
	}
	a := fault.Invalid("/a", "bad")
	err := fault.Join(a, nil, fault.Invalid("/b", "worse"))
	if f := fault.Of(err); len(f.Fields) != 2 || f.Fields[1].Field != "/b" {
		t.Errorf("fields = %v", f.Fields)
	}
	if len(a.Fields) != 1 {
		t.Error("Join changed its argument")
	}
}
