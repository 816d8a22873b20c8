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
	"sync"
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

	expire  atomic.Bool                      // certificates are signed that have expired
	shown   atomic.Pointer[x509.Certificate] // by who renewed one that expired
	waiting atomic.Bool                      // an operator has not approved yet

	mu   sync.Mutex
	keys []string // that asked to join
}

// newCore returns one that asks those who attach for certificates in this way.
func newCore(t *testing.T, certificates tls.ClientAuthType) *core {
	t.Helper()
	c := &core{}
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
	c.listen(t, certificates)
	return c
}

// another returns a second core of the same cloud.
func (c *core) another(t *testing.T) *core {
	t.Helper()
	second := &core{root: c.root, ca: c.ca, key: c.key}
	second.listen(t, tls.RequireAndVerifyClientCert)
	return second
}

func (c *core) listen(t *testing.T, certificates tls.ClientAuthType) {
	t.Helper()
	c.asked, c.closed = make(chan net.Conn), make(chan struct{})
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
		if state := conn.ConnectionState(); state.NegotiatedProtocol == attach.ProtocolJoin && len(state.PeerCertificates) > 0 {
			c.shown.Store(state.PeerCertificates[0])
		}
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
}

// tls asks everybody for a certificate; those who come to join, or with one that expired, need none that is good.
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
	joining.ClientAuth, joining.NextProtos = tls.RequestClientCert, []string{attach.ProtocolJoin}
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
	if c.expire.Load() {
		template.NotAfter = time.Now().Add(-time.Minute)
	}
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
	key, err := c.noteKey(chain[0])
	if err != nil {
		return nil, wire.ToStatus(err)
	}
	if c.waiting.Load() {
		return nil, wire.ToStatus(fault.New(fault.ApprovalPending, "an operator has to approve the key %s first", key))
	}
	return &pb.EnrolResponse{
		CertificateChain: chain, Roots: [][]byte{c.root.Raw}, ProviderId: "id-1", ProviderName: "hv1", CoreTime: timestamppb.Now(),
	}, nil
}

func (c *core) noteKey(certificate []byte) (string, error) {
	leaf, err := x509.ParseCertificate(certificate)
	if err != nil {
		return "", err
	}
	key, err := attach.KeyFingerprint(leaf.PublicKey)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = append(c.keys, key)
	return key, err
}

// askedToJoin returns the keys that did.
func (c *core) askedToJoin() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.keys)
}

// RenewExpired implements JoinService. What it signs is good again.
func (c *core) RenewExpired(_ context.Context, req *pb.RenewExpiredRequest) (*pb.RenewExpiredResponse, error) {
	if shown := c.shown.Load(); shown == nil || time.Now().Before(shown.NotAfter) || req.GetMachineId() != "m1" {
		return nil, wire.ToStatus(fault.New(fault.CertRefused, "this is for certificates that expired: %v, of machine %q", shown, req.GetMachineId()))
	}
	c.expire.Store(false)
	chain, err := c.certify(req.GetCertificateRequest())
	if err != nil {
		return nil, wire.ToStatus(err)
	}
	return &pb.RenewExpiredResponse{CertificateChain: chain, Roots: [][]byte{c.root.Raw}, CoreTime: timestamppb.Now()}, nil
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
