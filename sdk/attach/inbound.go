// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

const (
	maxInbound      = 64 // connections that wait, of all addresses
	maxInboundEach  = 4  // of one
	inboundPatience = 5 * time.Second
)

// keepAlive finds out soon that the machine at the other end of an idle connection was restarted, or is gone.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 2 * time.Second, Interval: 2 * time.Second, Count: 3}

// Inbound are the connections that a core makes to a provider, where only that direction is open. The core keeps one that
// waits; the provider takes it when it would dial, and from there on all is as if it had dialled: it is the client of the
// TLS handshake, shows its certificate to nobody but a core of its cloud, names the protocol, and says Hello.
//
// Whoever connects and is no core is passed over. One core can be served so.
type Inbound struct {
	listener net.Listener
	log      *slog.Logger
	serving  sync.WaitGroup

	mu      sync.Mutex
	waiting []net.Conn
	arrived chan struct{} // closed and replaced when a connection comes
	core    string        // IP address of the last that proved to be a core; it is asked first
}

// NewInbound accepts from listener, which belongs to it, until Close.
func NewInbound(listener net.Listener, log *slog.Logger) *Inbound {
	in := &Inbound{listener: listener, log: log, arrived: make(chan struct{})}
	in.serving.Go(in.serve)
	return in
}

// Close ends the listener and what waits; what was taken goes on.
func (in *Inbound) Close() {
	in.listener.Close()
	in.serving.Wait()
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, c := range in.waiting {
		c.Close()
	}
	in.waiting = nil
}

type inboundKey struct{}

// Context makes everything that would dial a core take a connection from in instead: a Dialer's Run, JoinConn, CoreConn.
// It is the context that carries this, so that who joins, renews or attaches need not know which way it goes.
func (in *Inbound) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, inboundKey{}, in)
}

func (in *Inbound) serve() {
	for {
		conn, err := in.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			in.log.Error("cannot accept a connection", "error", err)
			time.Sleep(backoffBase)
			continue
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetKeepAliveConfig(keepAlive) // without, a dead connection is found when it is taken
		}
		in.add(conn)
	}
}

// add lets a connection wait. Where too many do, the oldest of the address, or of all, makes room.
func (in *Inbound) add(conn net.Conn) {
	in.mu.Lock()
	defer in.mu.Unlock()
	full, same := len(in.waiting) >= maxInbound, 0
	for _, c := range in.waiting {
		if ip(c) == ip(conn) {
			same++
		}
	}
	if full || same >= maxInboundEach {
		oldest := slices.IndexFunc(in.waiting, func(c net.Conn) bool { return full || ip(c) == ip(conn) })
		in.waiting[oldest].Close()
		in.waiting = slices.Delete(in.waiting, oldest, oldest+1)
	}
	in.waiting = append(in.waiting, conn)
	close(in.arrived)
	in.arrived = make(chan struct{})
}

// take returns a connection that waits: the newest of where the core was last, or else the oldest.
func (in *Inbound) take(ctx context.Context) (net.Conn, error) {
	for {
		in.mu.Lock()
		arrived := in.arrived
		if n := len(in.waiting); n > 0 {
			i := 0
			for j, c := range in.waiting {
				if ip(c) == in.core {
					i = j
				}
			}
			conn := in.waiting[i]
			in.waiting = slices.Delete(in.waiting, i, i+1)
			in.mu.Unlock()
			return conn, nil
		}
		in.mu.Unlock()
		select {
		case <-arrived:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// dial returns a connection whose other end proved to be a core. Why others did not is in the log, and in the error.
func (in *Inbound) dial(ctx context.Context, config *tls.Config) (net.Conn, error) {
	last := fault.New(fault.CoreAway, "no core has connected to %s", in.listener.Addr())
	for {
		raw, err := in.take(ctx)
		if err != nil {
			return nil, last
		}
		conn := tls.Client(raw, config)
		if err = shakeHands(ctx, conn); err == nil {
			in.mu.Lock()
			in.core = ip(conn)
			in.mu.Unlock()
			return conn, nil
		}
		raw.Close()
		if ctx.Err() == nil {
			last = explain(err)
			in.log.Warn("a connection is no core's", "address", raw.RemoteAddr(), "error", last)
		}
	}
}

func shakeHands(ctx context.Context, conn *tls.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, inboundPatience)
	defer cancel()
	return conn.HandshakeContext(ctx)
}

// ip returns where a connection comes from, without the port.
func ip(c net.Conn) string {
	host, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		return c.RemoteAddr().String()
	}
	return host
}
