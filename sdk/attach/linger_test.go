// SPDX-License-Identifier: Apache-2.0

package attach_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"

	providerv1 "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/attach"
)

// slow answers when it is let.
type slow struct {
	providerv1.UnimplementedProviderServiceServer
	asked, answer chan struct{}
}

func (s slow) Describe(context.Context, *providerv1.DescribeRequest) (*providerv1.DescribeResponse, error) {
	close(s.asked)
	<-s.answer
	return &providerv1.DescribeResponse{}, nil
}

// A provider that leaves answers the calls that run, if that is soon.
func TestCallsThatRunAreAnswered(t *testing.T) {
	for _, c := range []struct {
		name     string
		linger   time.Duration
		answered bool
	}{{"lingers", time.Minute, true}, {"leaves at once", 0, false}} {
		t.Run(c.name, func(t *testing.T) {
			ca, l := newAuthority(t), listen(t)
			h := newHost(t, l, ca.server(), 1)
			s := slow{asked: make(chan struct{}), answer: make(chan struct{})}
			id := ca.identity()
			d := &attach.Dialer{
				Addresses: []string{l.Addr().String()}, Identity: func() attach.Identity { return id },
				Hello: attach.Hello{Provider: "hv1", Versions: []int{1}}, Clock: attach.NewClock(time.Now, time.Time{}),
				Register: func(r grpc.ServiceRegistrar) { providerv1.RegisterProviderServiceServer(r, s) },
				Log:      discard, Linger: c.linger,
			}
			ctx, leave := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { defer close(ended); d.Run(ctx) }()
			session := next(t, h)
			called := make(chan error, 1)
			go func() { called <- describe(t, session.Conn()) }()
			<-s.asked
			leave()
			var err error
			if c.answered {
				time.AfterFunc(100*time.Millisecond, func() { close(s.answer) })
				err = <-called
			} else {
				err = <-called
				close(s.answer)
			}
			if (err == nil) != c.answered {
				t.Errorf("the call ended with %v", err)
			}
			<-ended
		})
	}
}
