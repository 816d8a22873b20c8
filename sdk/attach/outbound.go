// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"
	"net"
	"time"
)

// Outbound is the other end of Inbound: a net.Listener for a core, whose connections are made from here, to a provider
// that listens. One waits at a time; Accept returns it when the provider begins to use it.
type Outbound struct {
	// Failed is told why there is no connection, each time; nil for nobody.
	Failed func(error)

	address string
	ctx     context.Context
	close   context.CancelFunc
	pause   Backoff
	began   time.Time // of the last attempt
}

// NewOutbound returns a listener for the provider at address (HOST:PORT), until ctx ends or Close.
func NewOutbound(ctx context.Context, address string) *Outbound {
	o := &Outbound{address: address}
	o.ctx, o.close = context.WithCancel(ctx)
	return o
}

// Accept implements net.Listener. It tries until there is a connection, with backoff; its only error is net.ErrClosed.
func (o *Outbound) Accept() (net.Conn, error) {
	for o.began.IsZero() || o.pause.WaitFrom(o.ctx, o.began) {
		o.began = time.Now()
		conn, err := o.dial()
		if err == nil {
			o.pause.Reset()
			return conn, nil
		}
		if o.Failed != nil && o.ctx.Err() == nil {
			o.Failed(err)
		}
	}
	return nil, net.ErrClosed
}

// Close implements net.Listener. What was accepted goes on.
func (o *Outbound) Close() error {
	o.close()
	return nil
}

// Addr implements net.Listener. It is the provider's.
func (o *Outbound) Addr() net.Addr { return outboundAddr(o.address) }

type outboundAddr string

func (outboundAddr) Network() string  { return "tcp" }
func (a outboundAddr) String() string { return string(a) }

// dial connects, and waits until the provider sends something.
func (o *Outbound) dial() (net.Conn, error) {
	dialer := net.Dialer{Timeout: connectTimeout, KeepAliveConfig: keepAlive}
	conn, err := dialer.DialContext(o.ctx, "tcp", o.address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(o.ctx, func() { conn.Close() })
	defer stop()
	first := make([]byte, 1)
	if _, err := conn.Read(first); err != nil {
		conn.Close()
		return nil, err
	}
	return &begunConn{Conn: conn, first: first}, nil
}

// begunConn is a connection of which the first byte was read already.
type begunConn struct {
	net.Conn
	first []byte
}

// Read implements net.Conn.
func (c *begunConn) Read(b []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// NetConn returns the socket.
func (c *begunConn) NetConn() net.Conn { return c.Conn }
