// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// actAsProvider makes this test's program a provider's.
const actAsProvider = "RHYZOME_TEST_ACT_AS_PROVIDER"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "relay" {
		relay := RelayCommand()
		relay.SetArgs(os.Args[2:])
		if relay.Execute() != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(actAsProvider) != "" {
		Serve(memory.New(memory.NewBackend()))
	}
	os.Setenv(actAsProvider, "1") // for the processes that tests start
	goleak.VerifyTestMain(m)
}

// command runs the command line in this process.
func command(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = run(t.Context(), memory.New(memory.NewBackend()), args, bytes.NewBufferString(stdin), &out, &err)
	return status, out.String(), err.String()
}

// authority is a CA for one test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, key: key}
	a.cert = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, &key.PublicKey, 24*time.Hour)
	return a
}

// sign makes a certificate whose life is half over.
func (a *authority) sign(template *x509.Certificate, public any, half time.Duration) *x509.Certificate {
	a.t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-half), time.Now().Add(half)
	parent := a.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

// server returns the configuration of a core.
func (a *authority) server() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	cert := a.sign(&x509.Certificate{
		DNSNames: []string{attach.ServerName}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, &key.PublicKey, 24*time.Hour)
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw, a.cert.Raw}, PrivateKey: key, Leaf: cert}},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: pool,
	}
}

// client signs what a provider asks for.
func (a *authority) client(request []byte) ([]byte, error) {
	csr, err := x509.ParseCertificateRequest(request)
	if err != nil {
		return nil, fault.Invalid("/certificate_request", "%v", err)
	}
	return a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "hv1"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, csr.PublicKey, time.Hour).Raw, nil
}

// fakeCore answers what a provider asks of a core, on both protocols.
type fakeCore struct {
	pb.UnimplementedJoinServiceServer
	pb.UnimplementedCoreServiceServer
	ca      *authority
	secret  string
	address string
	enrols  atomic.Int32
	renews  atomic.Int32

	mu            sync.Mutex
	refusals      []error // of the next calls of JoinService
	requests      []*pb.EnrolRequest
	expiredRenews []*pb.RenewExpiredRequest
}

// refusal returns what the next call of JoinService is refused for.
func (c *fakeCore) refusal() (err error) {
	if len(c.refusals) > 0 {
		err, c.refusals = c.refusals[0], c.refusals[1:]
	}
	return wire.ToStatus(err)
}

func newFakeCore(t *testing.T, ca *authority) *fakeCore {
	t.Helper()
	c := &fakeCore{ca: ca, secret: "good"}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.address = l.Addr().String()
	config := ca.server()
	config.NextProtos = []string{attach.ProtocolJoin, attach.ProtocolCore}
	config.ClientAuth = tls.VerifyClientCertIfGiven
	s := grpc.NewServer(grpc.Creds(anyProtocol{credentials.NewTLS(config), config}))
	pb.RegisterJoinServiceServer(s, c)
	pb.RegisterCoreServiceServer(s, c)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-served })
	return c
}

// anyProtocol accepts what grpc-go would not: a protocol other than h2.
type anyProtocol struct {
	credentials.TransportCredentials
	config *tls.Config
}

func (a anyProtocol) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn := tls.Server(raw, a.config)
	return conn, credentials.TLSInfo{}, conn.Handshake()
}

func (a anyProtocol) Clone() credentials.TransportCredentials { return a }

func (c *fakeCore) Enrol(_ context.Context, req *pb.EnrolRequest) (*pb.EnrolResponse, error) {
	c.enrols.Add(1)
	c.mu.Lock()
	c.requests = append(c.requests, req)
	err := c.refusal()
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if req.GetToken() != c.secret {
		return nil, wire.ToStatus(fault.New(fault.TokenUsed, "the join token was redeemed at noon"))
	}
	cert, err := c.ca.client(req.GetCertificateRequest())
	if err != nil {
		return nil, wire.ToStatus(err)
	}
	return &pb.EnrolResponse{
		CertificateChain: [][]byte{cert}, Roots: [][]byte{c.ca.cert.Raw}, ProviderId: "id-1", ProviderName: "hv1",
	}, nil
}

func (c *fakeCore) RenewExpired(_ context.Context, req *pb.RenewExpiredRequest) (*pb.RenewExpiredResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expiredRenews = append(c.expiredRenews, req)
	if err := c.refusal(); err != nil {
		return nil, err
	}
	cert, err := c.ca.client(req.GetCertificateRequest())
	if err != nil {
		return nil, wire.ToStatus(err)
	}
	return &pb.RenewExpiredResponse{CertificateChain: [][]byte{cert}, Roots: [][]byte{c.ca.cert.Raw}}, nil
}

func (c *fakeCore) Renew(_ context.Context, req *pb.RenewRequest) (*pb.RenewResponse, error) {
	c.renews.Add(1)
	cert, err := c.ca.client(req.GetCertificateRequest())
	if err != nil {
		return nil, wire.ToStatus(err)
	}
	return &pb.RenewResponse{CertificateChain: [][]byte{cert}, Roots: [][]byte{c.ca.cert.Raw}}, nil
}

func (c *fakeCore) token() string {
	return attach.Token{CA: attach.Fingerprint(c.ca.cert), Secret: c.secret}.Text()
}

// enrolled writes the identity of a machine that joined.
func (a *authority) enrolled(dir, core string) identity {
	a.t.Helper()
	key, err := newKey()
	if err != nil {
		a.t.Fatal(err)
	}
	request, err := certificateRequest("memory", key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := a.client(request)
	if err != nil {
		a.t.Fatal(err)
	}
	id := identity{ProviderID: "id-1", ProviderName: "hv1", Core: []string{core}}
	if id, err = id.certified(key, [][]byte{cert}, [][]byte{a.cert.Raw}); err != nil {
		a.t.Fatal(err)
	}
	if err := id.write(dir); err != nil {
		a.t.Fatal(err)
	}
	return id
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
