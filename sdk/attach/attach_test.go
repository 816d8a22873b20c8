// SPDX-License-Identifier: Apache-2.0

package attach_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	providerv1 "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// describer is a provider that only tells its name.
type describer struct {
	providerv1.UnimplementedProviderServiceServer
}

func (describer) Describe(context.Context, *providerv1.DescribeRequest) (*providerv1.DescribeResponse, error) {
	return &providerv1.DescribeResponse{Name: "test"}, nil
}

// logLines is a log that a test can wait on.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return l.text.Write(p)
}

func (l *logLines) waitFor(t *testing.T, want string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		l.mu.Lock()
		text := l.text.String()
		l.mu.Unlock()
		if strings.Contains(text, want) {
			return
		}
		select {
		case <-l.more:
		case <-deadline:
			t.Fatalf("the log never said %q:\n%s", want, text)
		}
	}
}

var discard = slog.New(slog.DiscardHandler)

func newLog() (*slog.Logger, *logLines) {
	lines := &logLines{more: make(chan struct{}, 1)}
	return slog.New(slog.NewTextHandler(lines, nil)), lines
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newHost(t *testing.T, l net.Listener, config *tls.Config, versions ...int) *attach.Host {
	t.Helper()
	h := attach.NewHost(l, config, versions, slog.New(slog.DiscardHandler), nil)
	t.Cleanup(h.Close)
	return h
}

// run attaches a provider until the test ends and returns its log.
func run(t *testing.T, address string, id attach.Identity, versions ...int) *logLines {
	t.Helper()
	return runAt(t, []string{address}, id, versions...)
}

func runAt(t *testing.T, addresses []string, id attach.Identity, versions ...int) *logLines {
	t.Helper()
	log, lines := newLog()
	d := &attach.Dialer{
		Addresses: addresses,
		Identity:  func() attach.Identity { return id },
		Hello:     attach.Hello{Provider: "hv1", MachineID: "m1", Versions: versions, ProcessID: fmt.Sprintf("%p", lines)},
		Clock:     attach.NewClock(time.Now, time.Time{}),
		Register:  func(r grpc.ServiceRegistrar) { providerv1.RegisterProviderServiceServer(r, describer{}) },
		Log:       log,
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return lines
}

func next(t *testing.T, h *attach.Host) *attach.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s, err := h.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func describe(t *testing.T, c grpc.ClientConnInterface) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := providerv1.NewProviderServiceClient(c).Describe(ctx, &providerv1.DescribeRequest{})
	return err
}

func TestCallsGoBothConnections(t *testing.T) {
	ca, l := newAuthority(t), listen(t)
	h := newHost(t, l, ca.server(), 1, 2)
	run(t, l.Addr().String(), ca.identity(), 1)
	s := next(t, h)
	if s.Hello.Provider != "hv1" || s.Welcome.Version != 1 {
		t.Errorf("hello %+v, welcome %+v", s.Hello, s.Welcome)
	}
	if err := describe(t, s.Conn()); err != nil {
		t.Errorf("call: %v", err)
	}
	data, err := s.Data(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if data == s.Conn() {
		t.Error("bulk data would go over the connection of the calls")
	}
	if err := describe(t, data); err != nil {
		t.Errorf("call on the data connection: %v", err)
	}
	health, err := healthpb.NewHealthClient(s.Conn()).Check(t.Context(), &healthpb.HealthCheckRequest{Service: attach.HealthService})
	if err != nil || health.Status != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", health, err)
	}
}

func TestComesBackWhenTheConnectionIsLost(t *testing.T) {
	ca, l := newAuthority(t), listen(t)
	h := newHost(t, l, ca.server(), 1)
	run(t, l.Addr().String(), ca.identity(), 1)
	for range 3 {
		s := next(t, h)
		if _, err := s.Data(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Close()
		<-s.Done()
		if err := describe(t, s.Conn()); err == nil {
			t.Fatal("a call on a lost connection succeeded")
		}
		if _, err := s.Data(t.Context()); fault.ReasonOf(err) != fault.ProviderAway {
			t.Errorf("data connection of a lost session: %v", err)
		}
	}
}

func TestWaitsForACoreThatIsNotThere(t *testing.T) {
	ca, l := newAuthority(t), listen(t)
	address := l.Addr().String()
	l.Close()
	lines := run(t, address, ca.identity(), 1)
	lines.waitFor(t, "the core does not answer")
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	next(t, newHost(t, l, ca.server(), 1))
}

func TestRefusals(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	stranger := other.identity()
	stranger.Roots = ca.roots()
	nobody := attach.Identity{Roots: ca.roots()}
	old := ca.server()
	old.MaxVersion = tls.VersionTLS12
	for _, c := range []struct {
		name     string
		config   *tls.Config
		identity attach.Identity
		versions []int
		want     string
	}{
		{"no common version", ca.server(), ca.identity(), []int{7, 8}, "reason=version_mismatch"},
		{"no version at all", ca.server(), ca.identity(), nil, "reason=version_mismatch"},
		{"core of another cloud", other.server(), ca.identity(), []int{1}, "reason=certificate_refused"},
		{"provider of another cloud", ca.server(), stranger, []int{1}, "unknown certificate authority"},
		{"no certificate", ca.server(), nobody, []int{1}, "certificate required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := listen(t)
			newHost(t, l, c.config, 1)
			run(t, l.Addr().String(), c.identity, c.versions...).waitFor(t, c.want)
		})
	}
	for _, c := range []struct {
		name   string
		config *tls.Config
		want   string
	}{
		{"TLS 1.2", old, "protocol version not supported"},
		{"another protocol", &tls.Config{Certificates: old.Certificates, NextProtos: []string{"http/1.1"}}, "no application protocol"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := tls.NewListener(listen(t), c.config)
			served := make(chan struct{})
			go func() {
				defer close(served)
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					conn.(*tls.Conn).Handshake()
					conn.Close()
				}
			}()
			t.Cleanup(func() { l.Close(); <-served })
			run(t, l.Addr().String(), ca.identity(), 1).waitFor(t, c.want)
		})
	}
}

func TestAcceptSaysWhyItRefuses(t *testing.T) {
	ca, l := newAuthority(t), listen(t)
	lines := run(t, l.Addr().String(), ca.identity(), 1)
	conn, err := tls.NewListener(l, func() *tls.Config {
		c := ca.server()
		c.NextProtos = []string{attach.ProtocolProvider}
		return c
	}()).Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, err = attach.Accept(conn, func(h attach.Hello) (attach.Welcome, error) {
		return attach.Welcome{}, fault.New(fault.ProviderRevoked, "provider %s was revoked", h.Provider)
	})
	if fault.ReasonOf(err) != fault.ProviderRevoked {
		t.Errorf("Accept: %v", err)
	}
	lines.waitFor(t, "provider hv1 was revoked")
}
