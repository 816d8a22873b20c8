// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/handshake"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

const secret = "good"

// core is the attach port of a core: joining, renewal, and what attaches. It signs with an intermediate, as where the
// root's key is kept elsewhere.
type core struct {
	pb.UnimplementedJoinServiceServer
	pb.UnimplementedCoreServiceServer

	host     *attach.Host
	listener net.Listener
	root     *x509.Certificate
	ca       *x509.Certificate // the intermediate
	key      *ecdsa.PrivateKey
	asked    chan net.Conn // connections that ask something of the core
	closed   chan struct{}
	renewals atomic.Int32
}

// newCore returns one that asks those who attach for certificates in this way.
func newCore(t *testing.T, certificates tls.ClientAuthType) *core {
	t.Helper()
	c := &core{asked: make(chan net.Conn), closed: make(chan struct{})}
	for i, name := range []string{"test root", "test intermediate"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			c.key = key // the root signs itself
		}
		if c.ca, err = c.sign(&x509.Certificate{
			Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}, &key.PublicKey); err != nil {
			t.Fatal(err)
		}
		if c.key = key; i == 0 {
			c.root = c.ca
		}
	}
	config, err := c.tls(certificates)
	if err != nil {
		t.Fatal(err)
	}
	if c.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterJoinServiceServer(server, c)
	pb.RegisterCoreServiceServer(server, c)
	served := make(chan error, 1)
	go func() { served <- server.Serve(questions{c}) }()
	c.host = attach.NewHost(c.listener, config, []int{handshake.ProtocolVersion}, slog.New(slog.DiscardHandler), func(conn *tls.Conn) {
		select {
		case c.asked <- conn:
		case <-c.closed:
			conn.Close()
		}
	})
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		c.host.Close()
	})
	return c
}

// tls asks everybody for a certificate but those who come to join.
func (c *core) tls(certificates tls.ClientAuthType) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf, err := c.sign(&x509.Certificate{
		DNSNames: []string{attach.ServerName}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, &key.PublicKey)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(c.root)
	members := &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw, c.ca.Raw, c.root.Raw}, PrivateKey: key}},
		ClientAuth:   certificates, ClientCAs: pool,
		NextProtos: []string{attach.ProtocolProvider, attach.ProtocolData, attach.ProtocolCore},
	}
	joining := members.Clone()
	joining.ClientAuth, joining.NextProtos = tls.NoClientCert, []string{attach.ProtocolJoin}
	members.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Contains(hello.SupportedProtos, attach.ProtocolJoin) {
			return joining, nil
		}
		return nil, nil
	}
	return members, nil
}

// sign makes a certificate whose life is half over, so that it is renewed at once.
func (c *core) sign(template *x509.Certificate, public any) (*x509.Certificate, error) {
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent := template
	if c.ca != nil {
		parent = c.ca
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, c.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func (c *core) address() string { return c.listener.Addr().String() }

func (c *core) token() string {
	return attach.Token{CA: attach.Fingerprint(c.root), Secret: secret}.Text()
}

// questions is the listener of what is asked of the core.
type questions struct{ core *core }

func (q questions) Accept() (net.Conn, error) {
	select {
	case conn := <-q.core.asked:
		return conn, nil
	case <-q.core.closed:
		return nil, net.ErrClosed
	}
}

func (q questions) Close() error {
	close(q.core.closed)
	return nil
}

func (q questions) Addr() net.Addr { return q.core.listener.Addr() }

// Enrol implements JoinService.
func (c *core) Enrol(_ context.Context, req *pb.EnrolRequest) (*pb.EnrolResponse, error) {
	if req.GetToken() != secret {
		return nil, wire.ToStatus(fault.New(fault.TokenUsed, "the join token was redeemed at 12 o’clock"))
	}
	chain, err := c.certify(req.GetCertificateRequest())
	if err != nil {
		return nil, wire.ToStatus(err)
	}
	return &pb.EnrolResponse{
		CertificateChain: chain, Roots: [][]byte{c.root.Raw}, ProviderId: "id-1", ProviderName: "hv1", CoreTime: timestamppb.Now(),
	}, nil
}

// Renew implements CoreService.
func (c *core) Renew(_ context.Context, req *pb.RenewRequest) (*pb.RenewResponse, error) {
	chain, err := c.certify(req.GetCertificateRequest())
	if err != nil {
		return nil, wire.ToStatus(err)
	}
	c.renewals.Add(1)
	return &pb.RenewResponse{CertificateChain: chain, Roots: [][]byte{c.root.Raw}, CoreTime: timestamppb.Now()}, nil
}

func (c *core) certify(request []byte) ([][]byte, error) {
	csr, err := x509.ParseCertificateRequest(request)
	if err == nil {
		err = csr.CheckSignature()
	}
	if err != nil {
		return nil, fault.Invalid("/certificate_request", "%v", err)
	}
	leaf, err := c.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "hv1"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, csr.PublicKey)
	if err != nil {
		return nil, err
	}
	return [][]byte{leaf.Raw, c.ca.Raw}, nil
}
