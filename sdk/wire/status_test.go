// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

func TestEveryReasonCrossesTheWire(t *testing.T) {
	for _, about := range fault.Reasons {
		sent := fault.New(about.Reason, "because").With("host", "hv1")
		sent.Fields = []fault.FieldViolation{{Field: "/a/0", Description: "bad"}}
		sent.Err = io.EOF
		got := fault.Of(FromStatus(ToStatus(fmt.Errorf("step: %w", sent))))
		if !errors.Is(got, &fault.Error{Reason: about.Reason}) {
			t.Errorf("%s: errors.Is does not find it in %v", about.Reason, got)
		}
		if diff := cmp.Diff(sent, got, compare); diff != "" {
			t.Errorf("%s (-sent +received):\n%s", about.Reason, diff)
		}
	}
}

func TestStatusHasOneErrorInfo(t *testing.T) {
	st := status.Convert(ToStatus(fault.Invalid("/name", "is bad")))
	var infos []*errdetails.ErrorInfo
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			infos = append(infos, info)
		}
	}
	if len(infos) != 1 || infos[0].GetReason() != "INVALID_FIELD" || infos[0].GetDomain() != "rhyzome" {
		t.Errorf("infos = %v", infos)
	}
}

func TestToStatus(t *testing.T) {
	if ToStatus(nil) != nil {
		t.Error("nil became an error")
	}
	secret := status.Convert(ToStatus(errors.New("password is 1234")))
	if strings.Contains(secret.Message(), "1234") || secret.Code() != codes.Internal {
		t.Errorf("a plain error became %v", secret)
	}
	if st := status.Convert(ToStatus(&fault.Error{Reason: fault.InUse})); st.Code() != codes.FailedPrecondition {
		t.Errorf("a fault without a code became %v", st)
	}
	raw := fault.New(fault.BackendRefused, "it said %s", "\xff\xfe").With("output", "\xff")
	if got := fault.Of(FromStatus(ToStatus(raw))); got.Reason != fault.BackendRefused {
		t.Errorf("bytes that are not text broke the status: %v", got)
	}
}

func TestFromStatusOfTheTransport(t *testing.T) {
	for _, c := range []struct {
		err    error
		reason fault.Reason
		code   fault.Code
	}{
		{nil, "", fault.OK},
		{status.Error(codes.Unavailable, "connection refused"), fault.ProviderAway, fault.Unavailable},
		{status.Error(codes.Unimplemented, "unknown service"), fault.NoCapability, fault.Unimplemented},
		{status.Error(codes.DeadlineExceeded, "late"), fault.Timeout, fault.DeadlineExceeded},
		{status.Error(codes.Canceled, "gone"), fault.RequestCanceled, fault.Canceled},
		{status.Error(codes.ResourceExhausted, "message too large"), fault.Bug, fault.ResourceExhausted},
		{context.DeadlineExceeded, fault.Timeout, fault.DeadlineExceeded},
		{io.EOF, fault.Bug, fault.Internal},
	} {
		got := FromStatus(c.err)
		if fault.ReasonOf(got) != c.reason || fault.CodeOf(got) != c.code {
			t.Errorf("FromStatus(%v) = %v, %v; want %v, %v", c.err, fault.CodeOf(got), fault.ReasonOf(got), c.code, c.reason)
		}
	}
	if !errors.Is(FromStatus(status.Error(codes.Canceled, "gone")), context.Canceled) {
		t.Error("the caller's own cancellation is not found")
	}
	foreign, err := status.New(codes.Unavailable, "quota").WithDetails(&errdetails.ErrorInfo{Reason: "RATE_LIMIT", Domain: "proxy.example"})
	if err != nil {
		t.Fatal(err)
	}
	if got := fault.ReasonOf(FromStatus(foreign.Err())); got != fault.ProviderAway {
		t.Errorf("another domain's reason was believed: %v", got)
	}
}
