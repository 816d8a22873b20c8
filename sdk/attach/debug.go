// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"
	"errors"

	"google.golang.org/grpc"
)

// Debugged reports whether provider and core agreed to suspend deadlines, for a debugger that stops the provider: it
// asked, and the core is one to develop against.
func Debugged(hello Hello, welcome Welcome) bool { return hello.Debug && welcome.Debug }

// WithoutDeadlines makes a client's calls wait for as long as it takes, whatever deadlines their contexts have. They end
// when a context is canceled.
func WithoutDeadlines() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(func(
			ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption,
		) error {
			ctx, done := withoutDeadline(ctx)
			defer done()
			return invoke(ctx, method, req, reply, cc, o...)
		}),
		grpc.WithChainStreamInterceptor(func(
			ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, o ...grpc.CallOption,
		) (grpc.ClientStream, error) {
			ctx, _ = withoutDeadline(ctx) // it ends with the stream's, which somebody cancels
			return open(ctx, desc, cc, method, o...)
		}),
	}
}

// withoutDeadline returns a context that ends when its parent is canceled, and not when its deadline passes.
func withoutDeadline(parent context.Context) (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		if errors.Is(parent.Err(), context.Canceled) {
			cancel(context.Cause(parent))
		}
	})
	return ctx, func() { stop(); cancel(nil) }
}
