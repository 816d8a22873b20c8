// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// liveConn is a connection that tells when it was closed, by whichever end: then its context ends.
type liveConn struct {
	net.Conn
	ctx context.Context
	end context.CancelFunc
}

func newLiveConn(c net.Conn) *liveConn {
	ctx, end := context.WithCancel(context.Background())
	return &liveConn{Conn: c, ctx: ctx, end: end}
}

// Close closes the connection and ends its context.
func (c *liveConn) Close() error {
	c.end()
	return c.Conn.Close()
}

// oneConn is a net.Listener that yields one connection, and ends with it.
type oneConn struct {
	conn   *liveConn
	next   chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func newOneConn(c *liveConn) *oneConn {
	l := &oneConn{conn: c, next: make(chan net.Conn, 1), closed: make(chan struct{})}
	l.next <- c
	return l
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.next:
		return c, nil
	case <-l.conn.ctx.Done():
		return nil, io.EOF
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close leaves the connection open: a server that stops may still be answering there.
func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

// newClient makes the connection a gRPC client's, once: grpc-go's second dial fails, and the client is over.
func newClient(conn net.Conn, debug bool, more ...grpc.DialOption) (*grpc.ClientConn, error) {
	var used atomic.Bool
	options := append(ClientOptions(debug),
		grpc.WithTransportCredentials(insecure.NewCredentials()), // TLS is below
		grpc.WithReadBufferSize(0),                               // and buffers whole records
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			if used.Swap(true) {
				return nil, net.ErrClosed
			}
			return conn, nil
		}))
	client, err := grpc.NewClient("passthrough:///attached", append(options, more...)...)
	if err != nil {
		return nil, err
	}
	client.Connect()
	return client, nil
}

// socket returns the TCP socket under TLS and what else wraps it; nil if there is none, as in tests.
func socket(c net.Conn) *net.TCPConn {
	for {
		wrapped, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			tcp, _ := c.(*net.TCPConn)
			return tcp
		}
		c = wrapped.NetConn()
	}
}
