// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
)

// process notes the fences of what reaches it, and waits as long as it is told to.
type process struct {
	grpc.ClientConnInterface
	fences []uint64
	hangs  bool
}

func (p *process) Invoke(ctx context.Context, _ string, req, _ any, _ ...grpc.CallOption) error {
	p.fences = append(p.fences, req.(*pb.CancelRequest).GetFence())
	if p.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func TestFaultProxy(t *testing.T) {
	for name, c := range map[string]struct {
		pass  func(context.Context, call) error
		hangs bool
		lost  bool
		seen  []uint64
	}{
		"the answer is lost":      {loseReply, false, true, []uint64{1}},
		"it is delivered twice":   {sendTwice, false, false, []uint64{1, 1}},
		"it is held":              {new(held).pass, false, true, nil},
		"it is cut while it runs": {cutAfter(time.Millisecond), true, true, []uint64{1}},
		"it is over before a cut": {cutAfter(time.Minute), false, false, []uint64{1}},
		"nothing happens to it":   {nil, false, false, []uint64{1}},
	} {
		t.Run(name, func(t *testing.T) {
			p := &process{hangs: c.hangs}
			proxy := faultProxy{ClientConnInterface: p, pass: c.pass}
			_, err := pb.NewProviderServiceClient(proxy).Cancel(t.Context(), &pb.CancelRequest{Fence: 1})
			if lost := errors.Is(err, errLost); lost != c.lost || !lost && err != nil {
				t.Errorf("the caller got %v", err)
			}
			if !slices.Equal(p.fences, c.seen) {
				t.Errorf("the provider saw %v, want %v", p.fences, c.seen)
			}
		})
	}
}

func TestHeldGoesToTheProcessOfThen(t *testing.T) {
	old, fresh := &process{}, &process{}
	s := &Session{cc: old}
	late := &held{}
	if err := late.release(t.Context()); err == nil {
		t.Error("nothing was held, and it was released")
	}
	if _, err := pb.NewProviderServiceClient(faultProxy{ClientConnInterface: latest{s}, pass: late.pass}).
		Cancel(t.Context(), &pb.CancelRequest{Fence: 7}); !errors.Is(err, errLost) {
		t.Errorf("the caller got %v", err)
	}
	s.cc = fresh
	if err := late.release(t.Context()); err != nil {
		t.Error(err)
	}
	if len(old.fences) > 0 || !slices.Equal(fresh.fences, []uint64{7}) {
		t.Errorf("the old process saw %v, the new one %v", old.fences, fresh.fences)
	}
}

// endless is a stream that always has another message.
type endless struct{ grpc.ClientStream }

func (endless) SendMsg(any) error { return nil }
func (endless) RecvMsg(any) error { return nil }

func TestStreamIsCut(t *testing.T) {
	s := cutStream(3)(endless{})
	m := &pb.WatchResponse{}
	if err := errors.Join(s.SendMsg(&pb.WatchRequest{}), s.RecvMsg(m), s.RecvMsg(m)); err != nil {
		t.Fatalf("cut too early: %v", err)
	}
	if err := s.RecvMsg(m); !errors.Is(err, errLost) || errors.Is(err, io.EOF) {
		t.Errorf("not cut: %v", err)
	}
}
