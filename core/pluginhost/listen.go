// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

const (
	handshakeTimeout = 10 * time.Second
	acceptPause      = 50 * time.Millisecond // after an error of accept: too many open files
)

// port is the one attach port.
type port struct {
	*Host
	config  *tls.Config
	pending *pending
	core    *service // attach.ProtocolCore
	joins   *service // attach.ProtocolJoin
}

// Serve accepts providers on the attach port until ctx ends. It returns when every connection is closed, and closes
// the listener.
func (h *Host) Serve(ctx context.Context, listener net.Listener) error {
	if err := h.begin(ctx); err != nil {
		return err
	}
	p := &port{Host: h, config: h.tls(), pending: newPending(), core: h.coreService(listener), joins: h.joinService(listener)}
	var connections sync.WaitGroup
	defer connections.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	connections.Go(p.core.serve)
	connections.Go(p.joins.serve)
	connections.Go(func() { p.keepDialling(ctx) })
	defer p.core.stop()
	defer p.joins.stop()
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	for {
		conn, err := listener.Accept()
		switch {
		case err == nil:
			connections.Go(func() { p.serve(ctx, conn) })
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default:
			h.Log.Error("cannot accept a connection", "error", err)
			select {
			case <-time.After(acceptPause):
			case <-ctx.Done():
			}
		}
	}
}

// tls returns the configuration of the port. Only joining goes without a client certificate; who renews one there that
// expired shows it. The certificate is verified after the handshake, by admit, so that a provider is told in words what
// is wrong with its own.
func (h *Host) tls() *tls.Config {
	config := &tls.Config{
		MinVersion:             tls.VersionTLS13,
		NextProtos:             []string{attach.ProtocolProvider, attach.ProtocolData, attach.ProtocolCore},
		GetCertificate:         h.Authority.ServerCertificate(attach.ServerName),
		ClientAuth:             tls.RequireAnyClientCert,
		SessionTicketsDisabled: true,
		Time:                   h.Now,
	}
	join := config.Clone()
	join.NextProtos, join.ClientAuth = []string{attach.ProtocolJoin}, tls.RequestClientCert
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if !slices.Contains(hello.SupportedProtos, attach.ProtocolJoin) {
			return nil, nil
		}
		if !h.join.allow(origin(hello.Conn.RemoteAddr())) {
			return nil, errTooManyJoins
		}
		return join, nil
	}
	return config
}

var errTooManyJoins = fault.New(fault.Busy, "too many attempts to join from one address")

// serve takes one connection to whom it is for.
func (p *port) serve(ctx context.Context, raw net.Conn) {
	from := origin(raw.RemoteAddr())
	if !p.pending.enter(from) {
		p.Log.Warn("connection refused: too many from one address are not finished", "address", raw.RemoteAddr())
		raw.Close()
		return
	}
	entered := sync.OnceFunc(func() { p.pending.leave(from) })
	defer entered()
	conn := tls.Server(raw, p.config)
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	if err := shakeHands(ctx, conn); err != nil {
		p.Log.Warn("connection refused", "address", raw.RemoteAddr(), "error", err)
		raw.Close()
		return
	}
	switch conn.ConnectionState().NegotiatedProtocol {
	case attach.ProtocolJoin:
		p.joins.take(visit(conn, core.Provider{}))
	case attach.ProtocolCore:
		p.serveCore(ctx, conn)
	case attach.ProtocolData:
		p.acceptData(ctx, conn)
	case attach.ProtocolProvider:
		p.acceptProvider(ctx, conn, entered)
	default:
		p.Log.Warn("connection refused: it names no protocol", "address", raw.RemoteAddr())
		raw.Close()
	}
}

func shakeHands(ctx context.Context, conn *tls.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	return conn.HandshakeContext(ctx)
}
