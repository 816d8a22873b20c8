// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/pki"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func rotate(t *testing.T, a *pki.Authority, force bool, want core.CAPhase) core.CA {
	t.Helper()
	ca, err := a.RotateCA(t.Context(), force)
	if err != nil || ca.Phase != want {
		t.Fatalf("%+v, %v, want %s", ca, err, want)
	}
	return ca
}

// renew gives a provider its next certificate; shown says whether it uses it.
func renew(t *testing.T, a *pki.Authority, e pki.Enrolment, shown bool) pki.Enrolment {
	t.Helper()
	next, err := a.Renew(t.Context(), e.Certificate, newRequest(t))
	if err != nil {
		t.Fatal(err)
	}
	if shown {
		if err := a.Shown(t.Context(), next.Provider, next.Certificate); err != nil {
			t.Fatal(err)
		}
	}
	return next
}

func TestRotationWaitsForEverybody(t *testing.T) {
	c := newClock()
	o := options(t, c)
	a := open(t, o)
	asked := 0
	a.OnRotate(func() { asked++ })
	serve := a.ServerCertificate(attach.ServerName)
	old := a.Root()
	here, away, revoked := join(t, a, "hv1"), join(t, a, "hv2"), join(t, a, "hv3")
	for _, e := range []pki.Enrolment{here, away} {
		if err := a.Shown(t.Context(), e.Provider, e.Certificate); err != nil {
			t.Fatal(err)
		}
	}
	token(t, a, core.NewToken{Name: "hv4"}) // never came: nothing waits for it
	if err := a.RevokeProvider(t.Context(), revoked.Provider.Name); err != nil {
		t.Fatal(err)
	}

	ca := rotate(t, a, false, core.CASpreading)
	if len(ca.Roots) != 2 || len(ca.Providers) != 2 || ca.Providers[0].Ready || ca.Providers[1].Ready || asked != 1 {
		t.Fatalf("%+v, asked %d times", ca, asked)
	}
	if !a.Root().Equal(old) || !a.Stale(here.Provider) {
		t.Error("the new root signs already, or nobody has to take it")
	}
	here = renew(t, a, here, true)
	unseen := renew(t, a, away, false) // its answer was lost
	if len(here.Roots) != 2 {
		t.Errorf("%d roots come with a certificate", len(here.Roots))
	}
	ca, err := a.GetCA(t.Context())
	if err != nil || !ca.Providers[0].Ready || ca.Providers[1].Ready {
		t.Errorf("%+v, %v", ca, err)
	}
	_, err = a.RotateCA(t.Context(), false)
	wantReason(t, err, fault.BadState)
	if f := fault.Of(err); f.Metadata["providers"] != "hv2" {
		t.Errorf("it waits for %q: %v", f.Metadata["providers"], err)
	}
	if err := a.Shown(t.Context(), unseen.Provider, unseen.Certificate); err != nil {
		t.Fatal(err)
	}

	ca = rotate(t, a, false, core.CASwitched)
	if a.Root().Equal(old) || ca.Providers[0].Ready || len(ca.Roots) != 2 {
		t.Errorf("%+v", ca)
	}
	for _, e := range []pki.Enrolment{here, unseen} {
		if _, err := a.Authenticate(t.Context(), e.Certificate); err != nil {
			t.Errorf("signed by the old root: %v", err)
		}
	}
	leaf, err := serve(nil)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.Root())
	if _, err := leaf.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: attach.ServerName, CurrentTime: c.now()}); err != nil {
		t.Errorf("the core's certificate: %v", err)
	}
	_, err = a.RotateCA(t.Context(), false)
	wantReason(t, err, fault.BadState)
	here = renew(t, a, here, true)

	rotate(t, a, true, core.CASteady)
	if _, err := a.Authenticate(t.Context(), here.Certificate); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"who was not ready":  func() error { _, err := a.Authenticate(t.Context(), unseen.Certificate); return err }(),
		"renewal of theirs":  func() error { _, err := a.Renew(t.Context(), unseen.Certificate, newRequest(t)); return err }(),
		"what never renewed": func() error { _, err := a.Authenticate(t.Context(), away.Certificate); return err }(),
	} {
		if fault.ReasonOf(err) != fault.CertRefused {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) != 2 {
		t.Errorf("files %v, %v", left, err)
	}
}

func TestARotationDoesNotWaitForWhoCannotComeBack(t *testing.T) {
	c := newClock()
	a := open(t, options(t, c))
	join(t, a, "hv1")
	c.advance((7 + 91) * 24 * time.Hour)
	rotate(t, a, false, core.CASpreading)
	rotate(t, a, false, core.CASwitched)
	rotate(t, a, false, core.CASteady)
}

// TestRotationSurvivesACrash stops every step between any two of its changes on disk.
func TestRotationSurvivesACrash(t *testing.T) {
	c := newClock()
	o := options(t, c)
	a := open(t, o)
	e := join(t, a, "hv1")
	file := func(name string) string { return filepath.Join(o.Dir, name) }
	read := func(name string) []byte {
		text, err := os.ReadFile(file(name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	write := func(name string, text []byte) {
		if err := os.WriteFile(file(name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reopened := func(what string, phase core.CAPhase, root *x509.Certificate) {
		t.Helper()
		again := open(t, o)
		if ca, err := again.GetCA(t.Context()); err != nil || ca.Phase != phase || !again.Root().Equal(root) {
			t.Errorf("%s: %+v, %v, want %s", what, ca, err, phase)
		}
		if _, err := again.Authenticate(t.Context(), e.Certificate); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	old := a.Root()
	rotate(t, a, false, core.CASpreading)
	reopened("spreading", core.CASpreading, old)
	oldCert, oldKey, nextCert, nextKey := read("ca.crt"), read("ca.key"), read("next.crt"), read("next.key")

	if err := os.Remove(file("next.crt")); err != nil {
		t.Fatal(err)
	}
	reopened("the key alone", core.CASteady, old)
	if _, err := os.Stat(file("next.key")); err == nil {
		t.Error("a key stays that nobody uses")
	}
	write("next.key", nextKey)
	write("next.crt", nextCert)
	write("previous.crt", oldCert)
	reopened("the old root copied", core.CASpreading, old)

	a = open(t, o)
	rotate(t, a, true, core.CASwitched)
	reopened("switched", core.CASwitched, a.Root())
	if bytes.Equal(read("ca.key"), oldKey) {
		t.Error("the old key is still there")
	}
	write("ca.crt", oldCert)
	write("next.crt", nextCert)
	reopened("the key changed alone", core.CASwitched, a.Root())
}
