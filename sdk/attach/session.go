// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Session is the core's end of one attached connection. It ends with the connection: the provider dials again.
type Session struct {
	Hello   Hello
	Welcome Welcome

	conn *liveConn
	grpc *grpc.ClientConn

	mu      sync.Mutex
	data    *Session
	arrived chan struct{} // closed and replaced when a data connection comes
}

// Accept answers the Hello on a connection whose handshake is done and whose peer is known, and makes it a session.
// admit decides: a fault is sent as the refusal, and returned. The connection belongs to Accept; after an error it is
// closed.
func Accept(conn net.Conn, admit func(Hello) (Welcome, error)) (*Session, error) {
	return acceptOr(conn, 0, admit)
}

// AcceptData is Accept for ProtocolData: what it returns is for SetData. The connection of a provider that opens another
// one when it is asked to is closed when nothing went over it for as long as idle.
func AcceptData(conn net.Conn, idle time.Duration, admit func(Hello) (Welcome, error)) (*Session, error) {
	return acceptOr(conn, idle, admit)
}

// acceptOr accepts, or closes the connection.
func acceptOr(conn net.Conn, idle time.Duration, admit func(Hello) (Welcome, error)) (*Session, error) {
	s, err := accept(conn, idle, admit)
	if err != nil {
		return nil, errors.Join(err, ignoreClosed(conn.Close()))
	}
	return s, nil
}

func accept(conn net.Conn, idle time.Duration, admit func(Hello) (Welcome, error)) (*Session, error) {
	if err := conn.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return nil, err
	}
	var hello Hello
	if err := readFrame(conn, &hello); err != nil {
		return nil, err
	}
	welcome, refused := admit(hello)
	welcome.DataOnDemand = true
	if refused != nil {
		f := fault.Of(refused)
		welcome.Error = &Refusal{Reason: f.Reason, Message: f.Message}
	}
	if err := writeFrame(conn, welcome); err != nil || refused != nil {
		return nil, errors.Join(refused, err)
	}
	if err := settle(conn, Debugged(hello, welcome)); err != nil {
		return nil, err
	}
	if !hello.DataOnDemand {
		idle = 0
	}
	return newSession(conn, idle, hello, welcome)
}

func newSession(conn net.Conn, idle time.Duration, hello Hello, welcome Welcome) (*Session, error) {
	s := &Session{Hello: hello, Welcome: welcome, conn: newLiveConn(conn), arrived: make(chan struct{})}
	client, err := newClient(s.conn, s.Debugged(), grpc.WithIdleTimeout(idle))
	if err != nil {
		return nil, err
	}
	s.grpc = client
	context.AfterFunc(s.conn.ctx, s.cleanUp)
	return s, nil
}

// cleanUp releases what is left when the connection is gone. What the close of a client reports is then of no use.
func (s *Session) cleanUp() {
	_ = s.grpc.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.data != nil {
		s.data.Close()
	}
}

// Conn returns the gRPC connection to the provider.
func (s *Session) Conn() grpc.ClientConnInterface { return s.grpc }

// Debugged reports whether deadlines are suspended, for a debugger that stops the provider.
func (s *Session) Debugged() bool { return Debugged(s.Hello, s.Welcome) }

// Done is closed when the connection is.
func (s *Session) Done() <-chan struct{} { return s.conn.ctx.Done() }

// Context ends when the connection does.
func (s *Session) Context() context.Context { return s.conn.ctx }

// Close ends the session and its data connection. It may be called again.
func (s *Session) Close() {
	_ = s.conn.Close() // the peer may have closed it before
}

// Data returns the gRPC connection for bulk data, to be used at once: an idle one is closed. It asks the provider for it,
// and waits until it is there or ctx ends; ProviderAway if the session ends before.
func (s *Session) Data(ctx context.Context) (grpc.ClientConnInterface, error) {
	for {
		data, arrived := s.currentData()
		if s.ended() {
			return nil, fault.New(fault.ProviderAway, "the provider's connection was lost")
		}
		if data != nil && !data.ended() {
			return data.Conn(), nil
		}
		if err := s.askData(ctx); err != nil {
			return nil, err
		}
		select {
		case <-arrived:
		case <-s.Done():
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// askData asks for the data connection, unless the provider opens it by itself.
func (s *Session) askData(ctx context.Context) error {
	if !s.Hello.DataOnDemand {
		return nil
	}
	_, err := pb.NewDataServiceClient(s.grpc).OpenData(ctx, &pb.OpenDataRequest{})
	switch {
	case err == nil, status.Code(err) == codes.Unimplemented, s.ended(): // the loop says that it ended
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fault.New(fault.ProviderAway, "the provider does not open its data connection: %w", err)
}

func (s *Session) currentData() (*Session, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data, s.arrived
}

func (s *Session) ended() bool {
	return s.conn.ctx.Err() != nil
}

// SetData gives the session its data connection: an accepted session of ProtocolData whose Hello has the same
// ProcessID. One that it had before is closed.
func (s *Session) SetData(data *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended() {
		data.Close()
		return
	}
	if s.data != nil {
		s.data.Close()
	}
	s.data = data
	close(s.arrived)
	s.arrived = make(chan struct{})
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
