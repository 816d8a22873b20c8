// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/rhyzome/rhyzome/sdk/wire"
)

// call is one unary call on its way through the fault proxy. send brings it to the provider that runs now, and fills the
// reply.
type call struct {
	method string // "ApplyInstance"
	send   func(context.Context) error
}

// faultProxy is a bad network between the core, which is the suite, and the provider. What it loses or cuts the caller
// sees as UNAVAILABLE: the outcome is unknown.
type faultProxy struct {
	grpc.ClientConnInterface
	pass   func(ctx context.Context, c call) error // what becomes of a unary call
	stream func(grpc.ClientStream) grpc.ClientStream
}

var errLost = status.Error(codes.Unavailable, "the fault proxy lost it")

// Invoke implements grpc.ClientConnInterface.
func (p faultProxy) Invoke(ctx context.Context, method string, req, reply any, o ...grpc.CallOption) error {
	if p.pass == nil {
		return p.ClientConnInterface.Invoke(ctx, method, req, reply, o...)
	}
	return p.pass(ctx, call{
		method: method[strings.LastIndex(method, "/")+1:],
		send: func(ctx context.Context) error {
			return p.ClientConnInterface.Invoke(ctx, method, req, reply, o...)
		},
	})
}

// NewStream implements grpc.ClientConnInterface.
func (p faultProxy) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, o ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := p.ClientConnInterface.NewStream(ctx, desc, method, o...)
	if err != nil || p.stream == nil {
		return stream, err
	}
	return p.stream(stream), nil
}

// through returns a client whose calls go through a bad network to the provider that runs when they are sent.
func (s *Session) through(pass func(ctx context.Context, c call) error) *wire.Client {
	return wire.NewClient(faultProxy{ClientConnInterface: latest{s}, pass: pass})
}

// latest is the connection to the provider that runs now, over restarts.
type latest struct{ s *Session }

// Invoke implements grpc.ClientConnInterface.
func (l latest) Invoke(ctx context.Context, method string, req, reply any, o ...grpc.CallOption) error {
	return l.s.cc.Invoke(ctx, method, req, reply, o...)
}

// NewStream implements grpc.ClientConnInterface.
func (l latest) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, o ...grpc.CallOption) (grpc.ClientStream, error) {
	return l.s.cc.NewStream(ctx, desc, method, o...)
}

// loseReply lets the provider do what it is asked, and loses its answer.
func loseReply(ctx context.Context, c call) error {
	if err := c.send(ctx); err != nil {
		return err
	}
	return errLost
}

// sendTwice delivers the call again when it has been answered, as a network may that believes the first one lost. The
// caller gets the second answer.
func sendTwice(ctx context.Context, c call) error {
	if err := c.send(ctx); err != nil {
		return err
	}
	return c.send(ctx)
}

// cutAfter ends the call when it has been with the provider for so long, as a lost connection does.
func cutAfter(d time.Duration) func(context.Context, call) error {
	return func(ctx context.Context, c call) error {
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		err := c.send(ctx)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return errLost
		}
		return err
	}
}

// held keeps one call back. Its caller gives it up at once; release delivers it, to whatever process runs then.
type held struct {
	mu   sync.Mutex
	call *call
}

func (h *held) pass(_ context.Context, c call) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.call = &c
	return errLost
}

// release delivers the call, and returns what the provider answers now.
func (h *held) release(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.call == nil {
		return errors.New("the fault proxy holds nothing")
	}
	ctx, cancel := context.WithTimeout(ctx, wire.CallTimeout)
	defer cancel()
	return wire.FromStatus(h.call.send(ctx))
}

// cutStream ends a stream behind so many messages that were received or sent.
func cutStream(after int) func(grpc.ClientStream) grpc.ClientStream {
	return func(stream grpc.ClientStream) grpc.ClientStream { return &cutOff{ClientStream: stream, left: after} }
}

type cutOff struct {
	grpc.ClientStream
	left int
}

// RecvMsg implements grpc.ClientStream.
func (c *cutOff) RecvMsg(m any) error {
	if c.spent() {
		return errLost
	}
	return c.ClientStream.RecvMsg(m)
}

// SendMsg implements grpc.ClientStream.
func (c *cutOff) SendMsg(m any) error {
	if _, ok := m.(proto.Message); ok && c.spent() {
		return errLost
	}
	return c.ClientStream.SendMsg(m)
}

func (c *cutOff) spent() bool {
	c.left--
	return c.left < 0
}
