// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/pki"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

const years = 365 * 24 * time.Hour

// vault makes the root of a cloud on another machine.
func vault(t *testing.T, a *pki.Authority, c *clock) (dir string) {
	t.Helper()
	ca, err := a.GetCA(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "vault")
	if _, err := pki.MakeRoot(dir, ca.Cloud, c.now()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// signed is what the root in dir makes of the request of a core.
func signed(t *testing.T, a *pki.Authority, c *clock, dir string) string {
	t.Helper()
	r, err := a.RequestCA(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := pki.SignRequest(dir, []byte(r.CertificateRequest), 2*years, c.now())
	if err != nil {
		t.Fatal(err)
	}
	if s.KeyFingerprint != r.KeyFingerprint {
		t.Errorf("signed for %s, asked for %s", s.KeyFingerprint, r.KeyFingerprint)
	}
	return string(s.Certificates)
}

func install(t *testing.T, a *pki.Authority, c *clock, dir string, want core.CAPhase) core.CA {
	t.Helper()
	ca, err := a.InstallCA(t.Context(), signed(t, a, c, dir))
	if err != nil || ca.Phase != want {
		t.Fatalf("%+v, %v, want %s", ca, err, want)
	}
	return ca
}

func show(t *testing.T, a *pki.Authority, e pki.Enrolment) {
	t.Helper()
	if err := a.Shown(t.Context(), e.Provider, e.Certificate); err != nil {
		t.Fatal(err)
	}
}

// vouched verifies a chain as a provider does that trusts the root alone.
func vouched(t *testing.T, root *x509.Certificate, chain [][]byte, o x509.VerifyOptions) {
	t.Helper()
	o.Roots, o.Intermediates = x509.NewCertPool(), x509.NewCertPool()
	o.Roots.AddCert(root)
	var all []*x509.Certificate
	for _, der := range chain {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, cert)
	}
	for _, up := range all[1:] {
		o.Intermediates.AddCert(up)
	}
	if _, err := all[0].Verify(o); err != nil {
		t.Error(err)
	}
}

// TestTheRootGoesOffline: a root on another machine takes the place of one on the core, under providers of whom one is
// away at each step; then one intermediate takes the place of another, and nobody has to trust anything new.
func TestTheRootGoesOffline(t *testing.T) {
	c := newClock()
	o := options(t, c)
	a := open(t, o)
	here, away := join(t, a, "hv1"), join(t, a, "hv2")
	show(t, a, here)
	show(t, a, away)
	dir := vault(t, a, c)

	ca := install(t, a, c, dir, core.CASpreading)
	if len(ca.Roots) != 2 || ca.Intermediate != nil || ca.Providers[0].Ready {
		t.Fatalf("%+v", ca)
	}
	a = open(t, o)
	here, away = renew(t, a, here, true), renew(t, a, away, true)
	ca = rotate(t, a, false, core.CASwitched)
	if ca.Intermediate == nil || ca.Roots[0].Fingerprint == ca.Intermediate.Fingerprint || ca.Providers[0].Ready {
		t.Fatalf("%+v", ca)
	}
	a = open(t, o)
	here, away = renew(t, a, here, true), renew(t, a, away, true)
	ca = rotate(t, a, false, core.CASteady)
	here = renew(t, a, here, true)
	if len(ca.Roots) != 1 || len(here.Chain) != 2 || len(here.Roots) != 1 {
		t.Fatalf("%+v, %d certificates and %d roots at the provider", ca, len(here.Chain), len(here.Roots))
	}
	vouched(t, a.Root(), here.Chain, x509.VerifyOptions{CurrentTime: c.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	for _, force := range []bool{false, true} {
		_, err := a.RotateCA(t.Context(), force)
		wantReason(t, err, fault.BadState)
	}

	root, open1 := a.Root(), secret(t, a, "hv3")
	first := here
	install(t, a, c, dir, core.CASwitched)
	a = open(t, o)
	if !a.Root().Equal(root) {
		t.Fatal("the root changed with the intermediate")
	}
	if _, err := enrol(t, a, open1); err != nil {
		t.Errorf("a join token that was open: %v", err)
	}
	here = renew(t, a, here, true)
	_, err := a.RotateCA(t.Context(), false)
	wantReason(t, err, fault.BadState) // hv2 and hv3 have certificates of the old one
	c.advance(30 * 24 * time.Hour)
	away = renew(t, a, away, true) // it was away for a month, and its certificate expired
	here = renew(t, a, here, true)
	if err := a.RevokeProvider(t.Context(), "hv3"); err != nil {
		t.Fatal(err)
	}
	rotate(t, a, false, core.CASteady)
	a = open(t, o)
	for _, e := range []pki.Enrolment{here, away} {
		if _, err := a.Authenticate(t.Context(), e.Certificate); err != nil {
			t.Error(err)
		}
	}
	_, err = a.Renewable(t.Context(), first.Certificate)
	wantReason(t, err, fault.CertRefused)
	if err := a.RevokeProvider(t.Context(), "hv2"); err != nil {
		t.Fatal(err)
	}
	_, err = a.Authenticate(t.Context(), away.Certificate)
	wantReason(t, err, fault.ProviderRevoked)
}

// offline returns a cloud whose root is elsewhere.
func offline(t *testing.T, c *clock) (a *pki.Authority, o pki.Options, dir string) {
	t.Helper()
	o = options(t, c)
	a = open(t, o)
	dir = vault(t, a, c)
	install(t, a, c, dir, core.CASpreading)
	rotate(t, a, false, core.CASwitched)
	rotate(t, a, false, core.CASteady)
	return a, o, dir
}

func TestServersShowTheIntermediate(t *testing.T) {
	c := newClock()
	a, _, dir := offline(t, c)
	attached := a.ServerCertificate(attach.ServerName)
	check := func() *tls.Certificate {
		t.Helper()
		cert, err := attached(nil)
		if err != nil {
			t.Fatal(err)
		}
		if last := cert.Certificate[len(cert.Certificate)-1]; !bytes.Equal(last, a.Root().Raw) {
			t.Error("the root is not shown: who joins could not find it")
		}
		// Also to a machine without a clock, for which it is the time at which the root began.
		for _, at := range []time.Time{c.now(), a.Root().NotBefore} {
			vouched(t, a.Root(), cert.Certificate, x509.VerifyOptions{CurrentTime: at, DNSName: attach.ServerName})
		}
		return cert
	}
	before := check()
	install(t, a, c, dir, core.CASwitched)
	if after := check(); bytes.Equal(before.Certificate[1], after.Certificate[1]) {
		t.Error("the old intermediate signs on")
	}
	c.advance(2*years - 24*time.Hour)
	if last := check(); last.Leaf.NotAfter.After(c.now().Add(25 * time.Hour)) {
		t.Errorf("it lives until %s, longer than the intermediate", last.Leaf.NotAfter)
	}
}

func TestRESTWithAnIntermediate(t *testing.T) {
	c := newClock()
	a, _, _ := offline(t, c)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Listener = tls.NewListener(s.Listener, &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: a.ServerCertificate("localhost", "127.0.0.1"),
	})
	s.Start()
	defer s.Close()
	for name, root := range map[string]*x509.Certificate{"the root": a.Root(), "another": open(t, options(t, c)).Root()} {
		pool := x509.NewCertPool()
		pool.AddCert(root)
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Time: c.now}}}
		answer, err := client.Get("https://" + s.Listener.Addr().String())
		if (err == nil) != (name == "the root") {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			answer.Body.Close()
		}
		client.CloseIdleConnections()
	}
}

// TestAnIntermediateIsForItsCloud: what it signs for another one is refused by whoever trusts the root.
func TestAnIntermediateIsForItsCloud(t *testing.T) {
	c := newClock()
	a, o, _ := offline(t, c)
	signs, key := issuerOf(t, o.Dir)
	for cloud, good := range map[string]bool{signs.URIs[0].Host: true, newID(): false} {
		leaf := certify(t, &x509.Certificate{URIs: []*url.URL{{Scheme: "spiffe", Host: cloud, Path: "/provider/x"}}, NotAfter: c.now().Add(time.Hour)}, signs, key)
		pool, between := x509.NewCertPool(), x509.NewCertPool()
		pool.AddCert(a.Root())
		between.AddCert(signs)
		if _, err := leaf.Verify(x509.VerifyOptions{
			Roots: pool, Intermediates: between, CurrentTime: c.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		}); (err == nil) != good {
			t.Errorf("cloud %s: %v", cloud, err)
		}
	}
}

// issuerOf reads what signs in the directory of a CA.
func issuerOf(t *testing.T, dir string) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	cert, err := x509.ParseCertificate(readPEM(t, filepath.Join(dir, "ca.crt")))
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(readPEM(t, filepath.Join(dir, "ca.key")))
	if err != nil {
		t.Fatal(err)
	}
	return cert, key.(crypto.Signer)
}

func readPEM(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	return block.Bytes
}

// certify signs a certificate for a key that nobody has.
func certify(t *testing.T, template, parent *x509.Certificate, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return certifyFor(t, template, parent, key.Public(), signer)
}

func certifyFor(t *testing.T, template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(1)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestWhatCannotSignIsNotInstalled(t *testing.T) {
	c := newClock()
	o := options(t, c)
	a := open(t, o)
	dir := vault(t, a, c)
	_, err := a.InstallCA(t.Context(), "")
	wantReason(t, err, fault.BadState) // nothing was asked for
	good := signed(t, a, c, dir)
	root := good[strings.LastIndex(good, "-----BEGIN"):]
	intermediate := strings.TrimSuffix(good, root)
	elsewhere := open(t, options(t, c))
	forged := func(change func(*x509.Certificate)) string {
		rootCert, err := x509.ParseCertificate(readPEM(t, filepath.Join(dir, "root.crt")))
		if err != nil {
			t.Fatal(err)
		}
		rootKey, err := x509.ParsePKCS8PrivateKey(readPEM(t, filepath.Join(dir, "root.key")))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode([]byte(intermediate))
		was, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			Subject: pkix.Name{CommonName: "forged"}, URIs: was.URIs, NotBefore: was.NotBefore, NotAfter: was.NotAfter, IsCA: true,
			BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
		}
		change(template)
		cert := certifyFor(t, template, rootCert, was.PublicKey, rootKey.(crypto.Signer))
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})) + root
	}
	for name, s := range map[string]struct{ text, why string }{
		"nothing":       {"", "holds 0 certificates"},
		"junk":          {"junk", "holds 0 certificates"},
		"a key":         {"-----BEGIN PRIVATE KEY-----\nMTIz\n-----END PRIVATE KEY-----\n" + good, "PRIVATE KEY"},
		"root alone":    {root, "only the root is in it"},
		"no root":       {intermediate, "did not sign"},
		"wrong way":     {root + intermediate, "did not sign"},
		"three":         {good + root, "holds 3 certificates"},
		"another cloud": {signed(t, elsewhere, c, vault(t, elsewhere, c)), "another key"},
		"another root":  {intermediate + rootOf(t, vault(t, a, c)), "did not sign"},
		"makes CAs":     {forged(func(x *x509.Certificate) { x.MaxPathLenZero = false }), "path length"},
		"no CA":         {forged(func(x *x509.Certificate) { x.IsCA, x.MaxPathLenZero, x.KeyUsage = false, false, 0 }), "path length"},
		"other name":    {forged(func(x *x509.Certificate) { x.URIs = []*url.URL{{Scheme: "spiffe", Host: "x"}} }), "of the cloud"},
		"expired":       {forged(func(x *x509.Certificate) { x.NotAfter = c.now().Add(-time.Second) }), "for a core is refused"},
		"not yet":       {forged(func(x *x509.Certificate) { x.NotBefore = c.now().Add(time.Minute) }), "check the clock"},
		"constrained":   {forged(func(x *x509.Certificate) { x.PermittedURIDomains = []string{"x"} }), "for a provider is refused"},
		"no cores": {forged(func(x *x509.Certificate) {
			x.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}), "for a core is refused"},
	} {
		_, err := a.InstallCA(t.Context(), s.text)
		wantReason(t, err, fault.InvalidField)
		if err == nil || !strings.Contains(err.Error(), s.why) {
			t.Errorf("%s: %v, want %q", name, err, s.why)
		}
	}
	rotate(t, a, false, core.CASpreading)
	_, err = a.InstallCA(t.Context(), good)
	wantReason(t, err, fault.BadState)
	rotate(t, a, false, core.CASwitched)
	rotate(t, a, false, core.CASteady)
	if ca, err := open(t, o).InstallCA(t.Context(), good); err != nil || ca.Phase != core.CASpreading {
		t.Errorf("the request of before: %+v, %v", ca, err)
	}
}

func rootOf(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "root.crt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWhatARootDoesNotSign(t *testing.T) {
	c := newClock()
	a, elsewhere := open(t, options(t, c)), open(t, options(t, c))
	dir := vault(t, a, c)
	if info, err := os.Stat(filepath.Join(dir, "root.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("root.key: %v, %v", info, err)
	}
	ask := func(a *pki.Authority) string {
		r, err := a.RequestCA(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r.CertificateRequest
	}
	good := ask(a)
	for name, s := range map[string]struct{ dir, request, why string }{
		"another cloud": {dir, ask(elsewhere), "each cloud has a root of its own"},
		"no request":    {dir, "junk", "no certificate request"},
		"no root":       {t.TempDir(), good, "there is no root"},
		"a provider's":  {dir, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: newRequest(t)})), "each cloud"},
	} {
		if _, err := pki.SignRequest(s.dir, []byte(s.request), years, c.now()); err == nil || !strings.Contains(err.Error(), s.why) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s, err := pki.SignRequest(dir, []byte(good), 30*years, c.now()); err != nil || s.NotAfter.After(c.now().Add(20*years)) {
		t.Errorf("it outlives the root: %s, %v", s.NotAfter, err)
	}
	if err := os.Chmod(filepath.Join(dir, "root.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.SignRequest(dir, []byte(good), years, c.now()); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("a key that others may read: %v", err)
	}
	for name, err := range map[string]error{
		"twice":       func() error { _, err := pki.MakeRoot(dir, newID(), c.now()); return err }(),
		"of no cloud": func() error { _, err := pki.MakeRoot(t.TempDir(), "home", c.now()); return err }(),
	} {
		if err == nil {
			t.Errorf("%s: a root was made", name)
		}
	}
}

// TestInstallingSurvivesACrash stops it between any two of its changes on disk.
func TestInstallingSurvivesACrash(t *testing.T) {
	c := newClock()
	a, o, dir := offline(t, c)
	file := func(name string) string { return filepath.Join(o.Dir, name) }
	answer := signed(t, a, c, dir)
	key, err := os.ReadFile(file("request.key"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, text []byte) {
		if err := os.WriteFile(file(name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("next.key", key) // and no certificate yet: it is as if nothing was installed
	if _, err := open(t, o).InstallCA(t.Context(), answer); err != nil {
		t.Fatal(err)
	}
	write("request.key", key) // after all else
	a = open(t, o)
	if _, err := os.Stat(file("request.key")); err == nil {
		t.Error("the request of what signs is still there")
	}
	rotate(t, a, false, core.CASteady)
	answer = signed(t, a, c, dir)
	if key, err = os.ReadFile(file("request.key")); err != nil {
		t.Fatal(err)
	}
	write("next.key", key)
	write("next.crt", []byte(answer)) // before it signs: the next step is the operator's
	a = open(t, o)
	if ca, err := a.GetCA(t.Context()); err != nil || ca.Phase != core.CASpreading || len(ca.Roots) != 1 {
		t.Errorf("%+v, %v", ca, err)
	}
	rotate(t, a, false, core.CASwitched)
}

// TestAnIntermediateThatEnded: no connection is left to ask for another one over, so that files are the way out.
func TestAnIntermediateThatEnded(t *testing.T) {
	for _, rotating := range []bool{false, true} {
		c := newClock()
		a, o, dir := offline(t, c)
		if rotating {
			install(t, a, c, dir, core.CASwitched)
		}
		file := func(name string) string { return filepath.Join(o.Dir, name) }
		c.advance(2*years - 24*time.Hour)
		a = open(t, o)
		e := join(t, a, "hv1")
		if _, err := os.Stat(file("request.pem")); err == nil {
			t.Error("it asks before the end")
		}
		c.advance(3 * 24 * time.Hour)
		open(t, o)
		request, err := os.ReadFile(file("request.pem"))
		if err != nil {
			t.Fatal(err)
		}
		signed, err := pki.SignRequest(dir, request, years, c.now())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file("signed.pem"), []byte("junk"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := pki.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "signed.pem") {
			t.Errorf("junk: %v", err)
		}
		if err := os.WriteFile(file("signed.pem"), signed.Certificates, 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			a = open(t, o)
			renew(t, a, e, false)
			if ca, err := a.GetCA(t.Context()); err != nil || !ca.Intermediate.NotAfter.After(c.now()) || len(ca.Roots) != 1 {
				t.Errorf("%+v, %v", ca, err)
			}
		}
		if left, err := filepath.Glob(file("*.pem")); err != nil || len(left) > 0 {
			t.Errorf("left are %v, %v", left, err)
		}
	}
}
