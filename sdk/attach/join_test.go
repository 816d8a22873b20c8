// SPDX-License-Identifier: Apache-2.0

package attach_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func TestTokenText(t *testing.T) {
	ca := newAuthority(t)
	token := attach.Token{CA: attach.Fingerprint(ca.cert), Secret: "abc_-1"}
	got, err := attach.ParseToken(" " + token.Text() + "\n")
	if err != nil || got != token {
		t.Errorf("parsed %+v, %v", got, err)
	}
	if s := fmt.Sprintf("%v %+v %s", token, token, token); strings.Contains(s, token.Secret) {
		t.Errorf("the secret shows in %s", s)
	}
	for _, bad := range []string{"", "hello", "a.b.c", "rhyzome-join-1..x", "rhyzome-join-1.AAAA.x", token.Text() + ".more",
		strings.TrimSuffix(token.Text(), "abc_-1"), token.Text()[20:]} {
		if _, err := attach.ParseToken(bad); fault.ReasonOf(err) != fault.TokenInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// joinServer serves grpc health as a stand-in for JoinService.
func joinServer(t *testing.T, config *tls.Config) net.Addr {
	t.Helper()
	config.ClientAuth, config.ClientCAs, config.NextProtos = tls.NoClientCert, nil, []string{attach.ProtocolJoin}
	l := tls.NewListener(listen(t), config)
	s := grpc.NewServer()
	healthpb.RegisterHealthServer(s, healthpb.UnimplementedHealthServer{})
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return l.Addr()
}

func TestJoinVerifiesTheCoreFirst(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	impostor := other.server() // shows the right CA behind a leaf that is not of it
	impostor.Certificates[0].Certificate[1] = ca.cert.Raw
	noCA := ca.server()
	noCA.Certificates[0].Certificate = noCA.Certificates[0].Certificate[:1]
	provider := ca.server() // a provider's certificate is of the CA, but no core's
	provider.Certificates = []tls.Certificate{ca.identity().Certificate}
	provider.Certificates[0].Certificate = append(provider.Certificates[0].Certificate, ca.cert.Raw)
	behind := ca.intermediate().server() // shows itself, the intermediate, and the CA behind that
	behind.Certificates[0].Certificate = append(behind.Certificates[0].Certificate, ca.cert.Raw)
	stranger := other.intermediate().server() // an intermediate of another CA in front of ours
	stranger.Certificates[0].Certificate = append(stranger.Certificates[0].Certificate, ca.cert.Raw)
	for _, c := range []struct {
		name   string
		config *tls.Config
		now    func() time.Time
		ok     bool
	}{
		{"the right core", ca.server(), time.Now, true},
		{"behind an intermediate", behind, time.Now, true},
		{"behind one, no clock", behind, func() time.Time { return time.Unix(0, 0) }, true},
		{"behind another CA's", stranger, time.Now, false},
		{"no clock", ca.server(), func() time.Time { return time.Unix(0, 0) }, true},
		{"clock far ahead", ca.server(), func() time.Time { return time.Now().AddDate(10, 0, 0) }, false},
		{"another cloud", other.server(), time.Now, false},
		{"an impostor", impostor, time.Now, false},
		{"no CA shown", noCA, time.Now, false},
		{"a provider", provider, time.Now, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := joinServer(t, c.config)
			conn, err := attach.JoinConn(t.Context(), address.String(), attach.Token{CA: attach.Fingerprint(ca.cert), Secret: "s"}, c.now)
			if !c.ok {
				if fault.ReasonOf(err) != fault.CertRefused {
					t.Errorf("connected: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); !strings.Contains(err.Error(), "Unimplemented") {
				t.Errorf("call: %v", err)
			}
		})
	}
}
