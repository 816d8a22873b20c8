// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/pki"
	"github.com/rhyzome/rhyzome/core/store"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// clock is a clock that a test sets.
type clock struct{ at atomic.Pointer[time.Time] }

func newClock() *clock {
	c := &clock{}
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	c.at.Store(&now)
	return c
}

func (c *clock) now() time.Time { return *c.at.Load() }

func (c *clock) advance(d time.Duration) {
	t := c.now().Add(d)
	c.at.Store(&t)
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func newStore(t *testing.T, now core.Clock) core.Store {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "rhyzome.db"), now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func options(t *testing.T, c *clock) pki.Options {
	t.Helper()
	return pki.Options{
		Dir: filepath.Join(t.TempDir(), "pki"), Store: newStore(t, c.now), Address: "core.example:7443",
		Now: c.now, NewID: newID, Log: slog.New(slog.DiscardHandler),
	}
}

func open(t *testing.T, o pki.Options) *pki.Authority {
	t.Helper()
	a, err := pki.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newRequest(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "root"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// secret makes a token and returns what a provider would send of it.
func secret(t *testing.T, a *pki.Authority, name string) string {
	t.Helper()
	_, fresh, err := a.CreateToken(t.Context(), core.NewToken{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	token, err := attach.ParseToken(fresh.Token)
	if err != nil {
		t.Fatal(err)
	}
	if token.CA != attach.Fingerprint(a.Root()) {
		t.Fatal("the token names another CA")
	}
	return token.Secret
}

func enrol(t *testing.T, a *pki.Authority, secret string) (pki.Enrolment, error) {
	t.Helper()
	return a.Enrol(t.Context(), pki.EnrolRequest{
		Secret: secret, CertificateRequest: newRequest(t), MachineID: "m1", Plugin: "libvirt",
	})
}

func join(t *testing.T, a *pki.Authority, name string) pki.Enrolment {
	t.Helper()
	e, err := enrol(t, a, secret(t, a, name))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func wantReason(t *testing.T, err error, want fault.Reason) {
	t.Helper()
	if got := fault.ReasonOf(err); got != want {
		t.Errorf("reason %q (%v), want %q", got, err, want)
	}
}

func TestJoinAndRenew(t *testing.T) {
	c := newClock()
	a := open(t, options(t, c))
	p, fresh, err := a.CreateToken(t.Context(), core.NewToken{Name: "hv1"})
	if err != nil {
		t.Fatal(err)
	}
	if p.Status.State != core.ProviderJoining || !fresh.ExpiresAt.Equal(c.now().Add(time.Hour)) {
		t.Errorf("provider %+v, token expires %s", p.Status, fresh.ExpiresAt)
	}
	if want := "printf %s '" + fresh.Token + "' | PLUGIN join --core core.example:7443 --token-file -"; fresh.Command != want {
		t.Errorf("command %q, want %q", fresh.Command, want)
	}
	e := join(t, a, "hv1")
	if e.Provider.ID != p.ID {
		t.Error("a second token made a second provider")
	}
	got, err := a.Authenticate(t.Context(), e.Certificate)
	if err != nil || got.Name != "hv1" || got.Status.Plugin != "libvirt" || got.Status.MachineID != "m1" {
		t.Errorf("authenticated %+v, %v", got, err)
	}
	c.advance(4 * 24 * time.Hour)
	renewed, err := a.Renew(t.Context(), e.Certificate, newRequest(t))
	if err != nil {
		t.Fatal(err)
	}
	c.advance(4 * 24 * time.Hour)
	_, err = a.Authenticate(t.Context(), e.Certificate)
	wantReason(t, err, fault.CertExpired)
	if got, err = a.Authenticate(t.Context(), renewed.Certificate); err != nil || !got.Status.CertExpires.Equal(renewed.Certificate.NotAfter) {
		t.Errorf("renewed: %+v, %v", got, err)
	}
}

func TestTokensAreRefused(t *testing.T) {
	c := newClock()
	a := open(t, options(t, c))
	used := secret(t, a, "hv1")
	if _, err := enrol(t, a, used); err != nil {
		t.Fatal(err)
	}
	replaced := secret(t, a, "hv2")
	valid := secret(t, a, "hv2")
	for _, s := range []struct {
		secret string
		want   fault.Reason
	}{
		{used, fault.TokenUsed},
		{replaced, fault.TokenInvalid},
		{"", fault.TokenInvalid},
		{"x", fault.TokenInvalid},
		{newID() + "_abc", fault.TokenInvalid},
		{valid[:len(valid)-1], fault.TokenInvalid},
		{valid[:36], fault.TokenInvalid},
		{strings.Repeat("A", 1<<14), fault.TokenInvalid},
	} {
		_, err := enrol(t, a, s.secret)
		wantReason(t, err, s.want)
	}
	c.advance(time.Hour)
	_, err := enrol(t, a, valid)
	wantReason(t, err, fault.TokenExpired)
}

func TestATokenIsRedeemedOnce(t *testing.T) {
	a := open(t, options(t, newClock()))
	s := secret(t, a, "hv1")
	var won, used atomic.Int32
	var all sync.WaitGroup
	for range 16 {
		req := pki.EnrolRequest{Secret: s, CertificateRequest: newRequest(t), MachineID: "m", Plugin: "p"}
		all.Go(func() {
			switch _, err := a.Enrol(context.Background(), req); fault.ReasonOf(err) {
			case "":
				won.Add(1)
			case fault.TokenUsed:
				used.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || used.Load() != 15 {
		t.Errorf("%d redeemed the token, %d were told that it is used", won.Load(), used.Load())
	}
}

func TestBadEnrolRequestsUseNoToken(t *testing.T) {
	a := open(t, options(t, newClock()))
	s := secret(t, a, "hv1")
	forged := newRequest(t)
	forged[len(forged)-1] ^= 1
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaRequest, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, weak)
	if err != nil {
		t.Fatal(err)
	}
	good := newRequest(t)
	for _, req := range []pki.EnrolRequest{
		{Secret: s, MachineID: "m", Plugin: "p"},
		{Secret: s, CertificateRequest: []byte("junk"), MachineID: "m", Plugin: "p"},
		{Secret: s, CertificateRequest: forged, MachineID: "m", Plugin: "p"},
		{Secret: s, CertificateRequest: rsaRequest, MachineID: "m", Plugin: "p"},
		{Secret: s, CertificateRequest: good, Plugin: "p"},
		{Secret: s, CertificateRequest: good, MachineID: "m\x1b[2J", Plugin: "p"},
		{Secret: s, CertificateRequest: good, MachineID: "m", Plugin: "../p"},
	} {
		_, err := a.Enrol(t.Context(), req)
		wantReason(t, err, fault.InvalidField)
	}
	if _, err := enrol(t, a, s); err != nil {
		t.Errorf("the token was spent: %v", err)
	}
}

func TestCertificatesAreRefused(t *testing.T) {
	c := newClock()
	a, other := open(t, options(t, c)), open(t, options(t, c))
	server, err := a.ServerCertificate(attach.ServerName)(nil)
	if err != nil {
		t.Fatal(err)
	}
	revoked, gone := join(t, a, "hv1"), join(t, a, "hv2")
	if err := a.RevokeProvider(t.Context(), "hv1"); err != nil {
		t.Fatal(err)
	}
	if err := a.RevokeProvider(t.Context(), "hv2"); err != nil {
		t.Fatal(err)
	}
	if again := join(t, a, "hv2"); again.Provider.ID == gone.Provider.ID {
		t.Error("a deleted provider's id came back with its name")
	}
	early := join(t, a, "hv3")
	for name, s := range map[string]struct {
		cert *x509.Certificate
		want fault.Reason
	}{
		"another cloud":     {join(t, other, "hv3").Certificate, fault.CertRefused},
		"a core":            {server.Leaf, fault.CertRefused},
		"the CA itself":     {a.Root(), fault.CertRefused},
		"revoked":           {revoked.Certificate, fault.ProviderRevoked},
		"name has new life": {gone.Certificate, fault.CertRefused},
	} {
		if _, err := a.Authenticate(t.Context(), s.cert); fault.ReasonOf(err) != s.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = a.Renew(t.Context(), revoked.Certificate, newRequest(t))
	wantReason(t, err, fault.ProviderRevoked)
	c.advance(-time.Minute)
	_, err = a.Authenticate(t.Context(), early.Certificate)
	wantReason(t, err, fault.CertRefused)
}

func TestCreateTokenRefusesNames(t *testing.T) {
	o := options(t, newClock())
	a := open(t, o)
	for _, name := range []string{"", "HV1", "hv_1", "a b", "-x", newID(), strings.Repeat("a", 64)} {
		_, _, err := a.CreateToken(t.Context(), core.NewToken{Name: name})
		wantReason(t, err, fault.InvalidField)
	}
	e := join(t, a, "hv1")
	setState(t, o.Store, e.Provider.ID, core.ProviderReady)
	_, _, err := a.CreateToken(t.Context(), core.NewToken{Name: "hv1"})
	wantReason(t, err, fault.NameTaken)
	setState(t, o.Store, e.Provider.ID, core.ProviderUnreachable)
	if again := join(t, a, "hv1"); again.Provider.ID != e.Provider.ID {
		t.Error("a machine that lost its disk came back as another provider")
	}
}

func setState(t *testing.T, s core.Store, id string, state core.ProviderState) {
	t.Helper()
	err := s.Update(t.Context(), func(tx core.Tx) error {
		p, err := tx.Providers().Get(id)
		p.Status.State = state
		return errors.Join(err, tx.Providers().Update(p))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRevoke(t *testing.T) {
	o := options(t, newClock())
	a := open(t, o)
	closed := make(chan string, 1)
	e := join(t, a, "hv1")
	a.OnDisconnect(func(id, _ string) { closed <- id })
	pending := secret(t, a, "hv1")
	host := core.Host{Meta: core.Meta{ID: newID(), Name: "h1"}, Provider: e.Provider.ID, BackendID: "m1"}
	instance := core.Instance{Meta: core.Meta{ID: newID(), Name: "web"}, Project: newID(), Status: core.InstanceStatus{Host: host.ID}}
	err := o.Store.Update(t.Context(), func(tx core.Tx) error {
		return errors.Join(tx.Hosts().Insert(host), tx.Instances().Insert(instance))
	})
	if err != nil {
		t.Fatal(err)
	}
	err = a.RevokeProvider(t.Context(), "hv1")
	wantReason(t, err, fault.HasChildren)
	if !strings.Contains(err.Error(), "web") {
		t.Errorf("%q does not name the instance", err)
	}
	if err := o.Store.Update(t.Context(), func(tx core.Tx) error { return tx.Instances().Delete(instance.ID) }); err != nil {
		t.Fatal(err)
	}
	if err := a.RevokeProvider(t.Context(), e.Provider.ID); err != nil {
		t.Fatal(err)
	}
	if id := <-closed; id != e.Provider.ID {
		t.Errorf("closed %s", id)
	}
	_, err = enrol(t, a, pending)
	wantReason(t, err, fault.TokenInvalid)
	err = o.Store.View(t.Context(), func(tx core.Tx) error { _, err := tx.Hosts().Get(host.ID); return err })
	wantReason(t, err, fault.UnknownResource)
	wantReason(t, a.RevokeProvider(t.Context(), "nobody"), fault.UnknownResource)
	rows, next, err := a.ListProviders(t.Context(), core.Page{})
	if err != nil || len(rows) != 1 || next != "" || rows[0].Status.State != core.ProviderRevoked {
		t.Errorf("listed %+v, %q, %v", rows, next, err)
	}
}

func TestCAOnDisk(t *testing.T) {
	c := newClock()
	o := options(t, c)
	keyFile, certFile := filepath.Join(o.Dir, "ca.key"), filepath.Join(o.Dir, "ca.crt")
	first := open(t, o)
	if info, err := os.Stat(keyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key: %v, %v", info, err)
	}
	e := join(t, first, "hv1")
	c.advance(time.Hour)
	again := open(t, o)
	if !again.Root().Equal(first.Root()) {
		t.Error("a restart made another CA")
	}
	if err := os.Remove(certFile); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, o).Authenticate(t.Context(), e.Certificate); err != nil {
		t.Errorf("after a crash between the files: %v", err)
	}
	stranger := o
	stranger.Store = newStore(t, c.now)
	if _, err := pki.Open(t.Context(), stranger); err == nil {
		t.Error("opened the CA of another cloud")
	}
	if err := os.Chmod(keyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.Open(t.Context(), o); err == nil {
		t.Error("opened a key that others can read")
	}
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.Open(t.Context(), o); err == nil {
		t.Error("made a new key beside the old certificate")
	}
	if err := os.WriteFile(certFile, []byte("junk"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.Open(t.Context(), o); err == nil {
		t.Error("opened junk")
	}
}

func TestServerCertificateRenewsItself(t *testing.T) {
	c := newClock()
	a := open(t, options(t, c))
	get := a.ServerCertificate(attach.ServerName, "127.0.0.1")
	roots := x509.NewCertPool()
	roots.AddCert(a.Root())
	first, err := get(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{attach.ServerName, "127.0.0.1"} {
		if _, err := first.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: c.now()}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.advance(44 * 24 * time.Hour)
	if same, err := get(nil); err != nil || same != first {
		t.Errorf("renewed before half of its life: %v", err)
	}
	c.advance(2 * 24 * time.Hour)
	next, err := get(nil)
	if err != nil || next == first {
		t.Fatalf("not renewed after half of its life: %v", err)
	}
	if next.Leaf.NotBefore.After(a.Root().NotBefore) {
		t.Error("a machine without a clock would find it not yet valid")
	}
}
