// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

func TestRefusals(t *testing.T) {
	r := newRig(t)
	stranger := newRig(t).join("r1")
	good := r.join("r1")
	for name, c := range map[string]struct {
		change func(*attach.Dialer, *attach.Identity)
		core   string // in the core's log
		told   string // in the provider's
	}{
		"another cloud's certificate": {
			func(_ *attach.Dialer, id *attach.Identity) { id.Certificate = stranger.identity.Certificate },
			"not one of this cloud's", "not one of this cloud's",
		},
		"another cloud's core": {
			func(_ *attach.Dialer, id *attach.Identity) { id.Roots = stranger.identity.Roots },
			"bad certificate", "is of another cloud",
		},
		"no certificate": {
			func(_ *attach.Dialer, id *attach.Identity) { id.Certificate = tls.Certificate{} },
			"client didn't provide a certificate", "certificate required",
		},
		"another's name": {
			func(d *attach.Dialer, _ *attach.Identity) { d.Hello.Provider = "r2" },
			"the certificate is of provider r1", "the certificate is of provider r1",
		},
		"no common version": {
			func(d *attach.Dialer, _ *attach.Identity) { d.Hello.Versions = []int{7} },
			"the core speaks [1], the provider [7]", "upgrade the older of the two",
		},
	} {
		t.Run(name, func(t *testing.T) {
			id := good.identity
			d, log := r.dialer(good, newEngine(t, memory.New(memory.NewBackend())).Register, "p")
			c.change(d, &id)
			d.Identity = func() attach.Identity { return id }
			stop := run(t, d)
			log.wait(t, 1, c.told)
			r.log.wait(t, 1, c.core)
			stop()
		})
	}
	if n := r.observer.count("attached"); n != 0 {
		t.Errorf("%d were attached", n)
	}
}

func TestExpiredRevokedAndUnknownProvidersAreTold(t *testing.T) {
	r := newRig(t)
	expired, revoked, forgotten := r.join("r1"), r.join("r2"), r.join("r3")
	for _, name := range []string{"r2", "r3"} {
		if err := r.ca.RevokeProvider(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	r.token("r3") // the name has a new life
	for _, c := range []struct {
		who  member
		told string
	}{{revoked, "provider r2 was deleted"}, {forgotten, "this cloud knows no provider"}} {
		d, log := r.dialer(c.who, newEngine(t, memory.New(memory.NewBackend())).Register, "p")
		stop := run(t, d)
		log.wait(t, 1, c.told)
		stop()
	}
	r.clock.advance(8 * 24 * time.Hour)
	d, log := r.dialer(expired, newEngine(t, memory.New(memory.NewBackend())).Register, "p")
	run(t, d)
	log.wait(t, 1, "certificate_expired", "the certificate is valid from")
	r.log.wait(t, 1, "provider refused", "the certificate is valid from")
}

func TestASecondMachineWithTheSameCertificateIsRefused(t *testing.T) {
	r := newRig(t)
	m := r.join("r1")
	r.start(m, memory.NewBackend())
	r.waitReady(m.id)
	d, log := r.dialer(m, newEngine(t, memory.New(memory.NewBackend())).Register, "p2")
	d.Hello.MachineID = "thief"
	run(t, d)
	log.wait(t, 1, "provider r1 is attached from machine m-r1")
	if n := r.observer.count("detached"); n != 0 {
		t.Error("the first one was disturbed")
	}
}

func TestTheNewerConnectionWins(t *testing.T) {
	r := newRig(t)
	m, b := r.join("r1"), memory.NewBackend()
	stop := r.start(m, b)
	r.waitReady(m.id)
	e := newEngine(t, memory.New(b))
	d, _ := r.dialer(m, e.Register, e.Description().ProcessID)
	once, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	ended := make(chan struct{})
	go func() { defer close(ended); d.Run(once) }()
	r.waitReady(m.id)
	stop()
	r.observer.wait(t, 1, "detached", "a newer connection took its place")
	if n := r.observer.count("attached"); n < 2 {
		t.Errorf("attached %d times", n)
	}
	cancel()
	<-ended
}

// A second address of the same core stands by: the sessions don't take each other's place for ever. When the first way
// fails, the provider comes by the second.
func TestASecondAddressOfTheSameCoreStandsBy(t *testing.T) {
	r := newRig(t)
	m := r.join("r1")
	e := newEngine(t, memory.New(memory.NewBackend()))
	d, log := r.dialer(m, e.Register, e.Description().ProcessID)
	first, second := newCable(t, r.address), newCable(t, r.address)
	d.Addresses = []string{first.address(), second.address()}
	run(t, d)
	r.waitReady(m.id)
	log.wait(t, 1, "level=INFO", "this address stands by", "attached_already")
	ways := map[string]*cable{first.address(): first, second.address(): second}
	for way, c := range ways {
		if log.count("this address stands by", "core="+way) == 0 {
			c.end()
			delete(ways, way)
		}
	}
	if len(ways) != 1 {
		t.Fatalf("%d addresses stand by", len(ways))
	}
	r.observer.wait(t, 1, "detached "+m.id)
	for way := range ways {
		log.wait(t, 1, "msg=attached", "core="+way)
	}
	r.waitReady(m.id)
}

func TestRevokingClosesTheConnection(t *testing.T) {
	r := newRig(t)
	m := r.join("r1")
	e := newEngine(t, memory.New(memory.NewBackend()))
	d, log := r.dialer(m, e.Register, e.Description().ProcessID)
	run(t, d)
	r.waitReady(m.id)
	if err := r.ca.RevokeProvider(t.Context(), "r1"); err != nil {
		t.Fatal(err)
	}
	r.observer.wait(t, 1, "detached "+m.id, "deleted")
	log.wait(t, 1, "provider r1 was deleted")
	_, err := r.host.Network(m.id)
	wantReason(t, err, fault.ProviderAway)
}

func TestACertificateEndsItsSessionUnlessRenewed(t *testing.T) {
	r := newRig(t)
	m := r.join("r1")
	e := newEngine(t, memory.New(memory.NewBackend()))
	d, log := r.dialer(m, e.Register, e.Description().ProcessID)
	run(t, d)
	r.waitReady(m.id)
	r.clock.advance(4 * 24 * time.Hour)
	conn, err := attach.CoreConn(t.Context(), r.address, m.identity, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, csr := newKey(t)
	answer, err := pb.NewCoreServiceClient(conn).Renew(t.Context(), &pb.RenewRequest{CertificateRequest: csr})
	if err != nil || len(answer.CertificateChain) != 1 || len(answer.Roots) != 1 {
		t.Fatalf("%v, %v", answer, err)
	}
	r.clock.advance(4 * 24 * time.Hour) // past the first certificate, not past the second
	before := r.observer.count("seen " + m.id)
	r.observer.wait(t, before+3, "seen "+m.id)
	if n := r.observer.count("detached"); n != 0 {
		t.Error("the session of a renewed certificate ended")
	}
	r.clock.advance(4 * 24 * time.Hour)
	r.observer.wait(t, 1, "detached "+m.id, "certificate expired")
	log.wait(t, 1, "the certificate is valid from")
}

func enrolAt(t *testing.T, address string, token attach.Token, csr []byte) (*pb.EnrolResponse, error) {
	t.Helper()
	conn, err := attach.JoinConn(t.Context(), address, token, time.Now)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return pb.NewJoinServiceClient(conn).Enrol(within(t), &pb.EnrolRequest{
		Token: token.Secret, CertificateRequest: csr, MachineId: "m1", Plugin: "memory",
	})
}

func TestJoiningOverThePort(t *testing.T) {
	r := newRig(t)
	token := r.token("r1")
	_, csr := newKey(t)
	answer, err := enrolAt(t, r.address, token, csr)
	if err != nil || answer.ProviderName != "r1" || len(answer.CertificateChain) != 1 {
		t.Fatalf("%v, %v", answer, err)
	}
	_, other := newKey(t)
	_, err = enrolAt(t, r.address, token, other)
	wantReason(t, wire.FromStatus(err), fault.TokenUsed)
	token.CA[0] ^= 1
	_, err = enrolAt(t, r.address, token, csr)
	wantReason(t, err, fault.CertRefused)
	token = r.token("r2")
	_, err = enrolAt(t, r.address, token, make([]byte, 20<<10))
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a request of 20 KiB: %v", err)
	}
	r.clock.advance(2 * time.Hour)
	_, err = enrolAt(t, r.address, token, csr)
	wantReason(t, wire.FromStatus(err), fault.TokenExpired)
}

func TestJoiningIsLimitedByAddress(t *testing.T) {
	r := newRig(t)
	token := attach.Token{CA: attach.Fingerprint(r.ca.Root()), Secret: newID() + "_guess"}
	_, csr := newKey(t)
	heard, refused := 0, 0
	for refused < 5 && heard < 500 {
		_, err := enrolAt(t, r.address, token, csr)
		switch fault.ReasonOf(wire.FromStatus(err)) {
		case fault.TokenInvalid:
			heard++
		case fault.CertRefused: // the handshake was refused
			refused++
		default:
			t.Fatal(err)
		}
	}
	if heard < 60 || refused < 5 {
		t.Errorf("%d attempts were heard, %d refused unheard", heard, refused)
	}
	r.clock.advance(10 * time.Second)
	_, err := enrolAt(t, r.address, token, csr)
	wantReason(t, wire.FromStatus(err), fault.TokenInvalid)
	m := r.join("r1")
	r.start(m, memory.NewBackend())
	r.waitReady(m.id)
}

func TestJoinersGetNothingElse(t *testing.T) {
	r := newRig(t)
	conn, err := attach.JoinConn(t.Context(), r.address, r.token("r1"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, csr := newKey(t)
	_, err = pb.NewCoreServiceClient(conn).Renew(within(t), &pb.RenewRequest{CertificateRequest: csr})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("renewal without a certificate: %v", err)
	}
}
