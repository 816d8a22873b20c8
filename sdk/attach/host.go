// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"time"
)

// hostDataIdle is for how long the data connections of a Host stay open when nothing goes over them.
const hostDataIdle = time.Minute

// Host accepts providers without a core: for the conformance suite and for tests of plugins. It admits whoever its TLS
// configuration admits.
type Host struct {
	// Debug suspends deadlines for a provider that asks for it; to be set before the first attaches.
	Debug bool

	listener net.Listener
	config   *tls.Config
	versions []int
	log      *slog.Logger
	other    func(*tls.Conn)

	accepted chan *Session
	closing  chan struct{}
	work     sync.WaitGroup

	mu   sync.Mutex
	live map[string]*Session // by process id
}

// NewHost begins to accept. config needs the core's certificate, ClientAuth and ClientCAs. Connections of protocols that
// are not those of providers are given to other; nil if config's NextProtos allow none.
func NewHost(listener net.Listener, config *tls.Config, versions []int, log *slog.Logger, other func(*tls.Conn)) *Host {
	config = config.Clone()
	config.MinVersion = tls.VersionTLS13
	if config.NextProtos == nil {
		config.NextProtos = []string{ProtocolProvider, ProtocolData}
	}
	h := &Host{
		listener: listener, config: config, versions: versions, log: log, other: other,
		accepted: make(chan *Session), closing: make(chan struct{}), live: map[string]*Session{},
	}
	h.work.Go(h.serve)
	return h
}

// Accept returns the next provider that attached. Its data connection comes when it is needed.
func (h *Host) Accept(ctx context.Context) (*Session, error) {
	select {
	case s := <-h.accepted:
		return s, nil
	case <-h.closing:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close ends the listener and every session.
func (h *Host) Close() {
	close(h.closing)
	h.listener.Close()
	h.mu.Lock()
	for _, s := range h.live {
		s.Close()
	}
	h.mu.Unlock()
	h.work.Wait()
}

func (h *Host) serve() {
	for {
		conn, err := h.listener.Accept()
		if err != nil {
			return // closed
		}
		h.work.Go(func() { h.attach(tls.Server(conn, h.config)) })
	}
}

func (h *Host) attach(conn *tls.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		h.log.Warn("handshake failed", "address", conn.RemoteAddr(), "error", err)
		conn.NetConn().Close()
		return
	}
	protocol := conn.ConnectionState().NegotiatedProtocol
	if h.other != nil && protocol != ProtocolProvider && protocol != ProtocolData {
		h.other(conn)
		return
	}
	idle, take := time.Duration(0), h.keep
	if protocol == ProtocolData {
		idle, take = hostDataIdle, h.addData
	}
	s, err := acceptOr(conn, idle, h.admit)
	if err != nil {
		h.log.Warn("provider refused", "address", conn.RemoteAddr(), "error", err)
		return
	}
	take(s)
}

func (h *Host) admit(hello Hello) (Welcome, error) {
	version, err := Negotiate(h.versions, hello.Versions)
	return Welcome{Version: version, CoreTime: time.Now().UTC(), Debug: h.Debug && hello.Debug}, err
}

// addData pairs a data connection with its session.
func (h *Host) addData(data *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.live[data.Hello.ProcessID]; s != nil {
		s.SetData(data)
		return
	}
	data.Close() // the provider tries again
}

// keep holds a session until it ends.
func (h *Host) keep(s *Session) {
	h.mu.Lock()
	h.live[s.Hello.ProcessID] = s
	h.mu.Unlock()
	select {
	case h.accepted <- s:
	case <-h.closing:
		s.Close()
	case <-s.Done():
	}
	<-s.Done()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.live[s.Hello.ProcessID] == s {
		delete(h.live, s.Hello.ProcessID)
	}
}
