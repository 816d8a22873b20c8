// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/rhyzome/rhyzome/core"
)

const (
	// maxRequest is enough for a certificate request.
	maxRequest = 16 << 10
	// maxVisit is how long a connection for such a request may last.
	maxVisit = time.Minute
)

// service is an ordinary gRPC server for connections whose handshake is done.
type service struct {
	server *grpc.Server
	conns  chan *visitor
	done   chan struct{}
	once   sync.Once
	addr   net.Addr
}

func newService(addr net.Addr, register func(*grpc.Server)) *service {
	s := &service{
		server: grpc.NewServer(
			grpc.Creds(handshaken{insecure.NewCredentials()}), grpc.MaxRecvMsgSize(maxRequest), grpc.MaxHeaderListSize(maxRequest),
			grpc.MaxConcurrentStreams(4), grpc.ConnectionTimeout(handshakeTimeout),
			grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: maxVisit, MaxConnectionAgeGrace: maxVisit}),
		),
		conns: make(chan *visitor), done: make(chan struct{}), addr: addr,
	}
	register(s.server)
	return s
}

// serve accepts until stop. Its error says only that it was stopped.
func (s *service) serve() { _ = s.server.Serve(s) }

func (s *service) stop() { s.server.Stop() }

// take hands a connection over.
func (s *service) take(conn *visitor) {
	select {
	case s.conns <- conn:
	case <-s.done:
		conn.end()
	}
}

// Accept implements net.Listener.
func (s *service) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (s *service) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

// Addr implements net.Listener.
func (s *service) Addr() net.Addr { return s.addr }

// visitor is a connection whose TLS handshake is done, and who came with it: nobody known, where that was not asked.
type visitor struct {
	net.Conn
	credentials.CommonAuthInfo
	provider    core.Provider
	certificate *x509.Certificate // whose key TLS proved; nil for none. It may be of anybody.
}

func visit(conn *tls.Conn, who core.Provider) *visitor {
	var certificate *x509.Certificate
	if shown := conn.ConnectionState().PeerCertificates; len(shown) > 0 {
		certificate = shown[0]
	}
	return &visitor{
		Conn: conn, provider: who, certificate: certificate,
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
	}
}

// end closes the connection; the peer may have done so before.
func (v *visitor) end() { _ = v.Close() }

// AuthType implements credentials.AuthInfo.
func (*visitor) AuthType() string { return "tls" }

// handshaken are the credentials of visitors.
type handshaken struct {
	credentials.TransportCredentials
}

// ServerHandshake implements credentials.TransportCredentials.
func (handshaken) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	v, ok := c.(*visitor)
	if !ok {
		return nil, nil, net.ErrClosed
	}
	return v, v, nil
}

// Clone implements credentials.TransportCredentials.
func (h handshaken) Clone() credentials.TransportCredentials { return h }
