// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/handshake"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// littleCore is as much of a core as one provider needs to join, attach and renew.
type littleCore struct {
	pb.UnimplementedJoinServiceServer
	pb.UnimplementedCoreServiceServer
	ca     *authority
	secret string
	host   *attach.Host
	listen net.Listener
	server *grpc.Server
	visits *visits
	served sync.WaitGroup

	mu   sync.Mutex
	used bool // the token
}

func newLittleCore(ctx context.Context, address string) (*littleCore, error) {
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &littleCore{
		ca: ca, secret: rand.Text(), listen: listener, server: grpc.NewServer(grpc.Creds(insecure.NewCredentials())),
		visits: &visits{conns: make(chan net.Conn), closed: make(chan struct{}), addr: listener.Addr()},
	}
	pb.RegisterJoinServiceServer(c.server, c)
	pb.RegisterCoreServiceServer(c.server, c)
	c.served.Go(func() { _ = c.server.Serve(c.visits) }) // ends when it is stopped
	c.host = attach.NewHost(listener, ca.tls(), []int{handshake.ProtocolVersion}, slog.New(slog.DiscardHandler), c.visits.take)
	return c, nil
}

func (c *littleCore) address() string { return c.listen.Addr().String() }

func (c *littleCore) token() string {
	return attach.Token{CA: attach.Fingerprint(c.ca.cert), Secret: c.secret}.Text()
}

func (c *littleCore) accept(ctx context.Context) (*attach.Session, error) { return c.host.Accept(ctx) }

func (c *littleCore) close() {
	c.host.Close()
	c.server.Stop()
	c.served.Wait()
}

// Enrol implements JoinService. The token is good for once.
func (c *littleCore) Enrol(_ context.Context, req *pb.EnrolRequest) (*pb.EnrolResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case req.GetToken() != c.secret:
		return nil, wire.ToStatus(fault.New(fault.TokenInvalid, "the join token is not the suite's"))
	case c.used:
		return nil, wire.ToStatus(fault.New(fault.TokenUsed, "the join token was redeemed before"))
	}
	cert, err := c.ca.provider(req.GetCertificateRequest())
	if err != nil {
		return nil, wire.ToStatus(err)
	}
	c.used = true
	return &pb.EnrolResponse{
		CertificateChain: [][]byte{cert.Raw}, Roots: [][]byte{c.ca.cert.Raw}, ProviderId: providerName, ProviderName: providerName,
		CoreTime: timestamppb.New(time.Now()),
	}, nil
}

// Renew implements CoreService.
func (c *littleCore) Renew(_ context.Context, req *pb.RenewRequest) (*pb.RenewResponse, error) {
	cert, err := c.ca.provider(req.GetCertificateRequest())
	if err != nil {
		return nil, wire.ToStatus(err)
	}
	return &pb.RenewResponse{
		CertificateChain: [][]byte{cert.Raw}, Roots: [][]byte{c.ca.cert.Raw}, CoreTime: timestamppb.New(time.Now()),
	}, nil
}

// visits is a listener for connections whose handshake is done.
type visits struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	addr   net.Addr
}

// take hands a connection over.
func (v *visits) take(conn *tls.Conn) {
	select {
	case v.conns <- conn:
	case <-v.closed:
		_ = conn.Close()
	}
}

// Accept implements net.Listener.
func (v *visits) Accept() (net.Conn, error) {
	select {
	case conn := <-v.conns:
		return conn, nil
	case <-v.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (v *visits) Close() error {
	v.once.Do(func() { close(v.closed) })
	return nil
}

// Addr implements net.Listener.
func (v *visits) Addr() net.Addr { return v.addr }
