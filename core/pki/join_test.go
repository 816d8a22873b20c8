// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/pki"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// token makes one and returns what a provider would send of it.
func token(t *testing.T, a *pki.Authority, req core.NewToken) string {
	t.Helper()
	_, fresh, err := a.CreateToken(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := attach.ParseToken(fresh.Token)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Secret
}

// request redeems a secret with a key of its own.
func request(t *testing.T, secret string) pki.EnrolRequest {
	t.Helper()
	return pki.EnrolRequest{
		Secret: secret, CertificateRequest: newRequest(t), MachineID: "m1", Plugin: "libvirt", Address: "192.0.2.1:4000",
	}
}

func get(t *testing.T, a *pki.Authority, name string) core.ProviderStatus {
	t.Helper()
	p, err := a.GetProvider(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return p.Status
}

// events counts those of a type.
func events(t *testing.T, s core.Store, kind string) (n int) {
	t.Helper()
	err := s.View(t.Context(), func(tx core.Tx) error {
		all, err := tx.Events(0, 1000)
		for _, e := range all {
			if e.Type == kind {
				n++
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTheKeyThatRedeemedATokenMayComeAgain(t *testing.T) {
	c := newClock()
	o := options(t, c)
	a := open(t, o)
	req := request(t, secret(t, a, "hv1"))
	first, err := a.Enrol(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	c.advance(time.Minute)
	second, err := a.Enrol(t.Context(), req) // its answer was lost
	if err != nil || second.Provider.ID != first.Provider.ID {
		t.Fatalf("%+v, %v", second, err)
	}
	if _, err := a.Authenticate(t.Context(), first.Certificate); err != nil {
		t.Errorf("the first certificate: %v", err)
	}
	if n := events(t, o.Store, "provider.joined"); n != 1 {
		t.Errorf("joined %d times", n)
	}
	if get(t, a, "hv1").Contested != nil {
		t.Error("the same key contests its provider")
	}
	c.advance(time.Hour)
	_, err = a.Enrol(t.Context(), req)
	wantReason(t, err, fault.TokenExpired)
}

func TestAUsedTokenMakesTheProviderContested(t *testing.T) {
	c := newClock()
	o := options(t, c)
	a := open(t, o)
	used := secret(t, a, "hv1")
	if _, err := a.Enrol(t.Context(), request(t, used)); err != nil {
		t.Fatal(err)
	}
	thief := request(t, used)
	thief.MachineID, thief.Address = "m2", "192.0.2.66:1"
	for range 5 {
		_, err := a.Enrol(t.Context(), thief)
		wantReason(t, err, fault.TokenUsed)
	}
	contest := get(t, a, "hv1").Contested
	if contest == nil || contest.MachineID != "m2" || contest.Address != "192.0.2.66:1" || contest.Cloned {
		t.Fatalf("contested %+v", contest)
	}
	if n := events(t, o.Store, "provider.contested"); n != 1 {
		t.Errorf("%d events of five tries in a moment", n)
	}
	c.advance(2 * time.Minute)
	_, err := a.Enrol(t.Context(), thief)
	wantReason(t, err, fault.TokenUsed)
	if n := events(t, o.Store, "provider.contested"); n != 2 {
		t.Errorf("%d events after two minutes", n)
	}
	_, err = a.ReplaceProvider(t.Context(), "hv1", "") // the thief has no certificate that could take the place
	wantReason(t, err, fault.BadState)
	if _, err := a.ApproveProvider(t.Context(), "hv1", ""); err != nil || get(t, a, "hv1").Contested != nil {
		t.Errorf("the mark stays: %v", err)
	}
	_, err = a.ApproveProvider(t.Context(), "hv1", "")
	wantReason(t, err, fault.BadState)
}

// A clone can take the provider's place, so who tries a used token does not hide it.
func TestACloneIsShownWhateverElseIsTried(t *testing.T) {
	clone := core.Contest{MachineID: "m2", Address: "192.0.2.66:1", Cloned: true, Message: "a second machine has the certificate"}
	retry := core.Contest{MachineID: "m3", Address: "192.0.2.67:1", Message: "a used token"}
	for name, tried := range map[string][]core.Contest{
		"after a retry": {retry, clone}, "before a retry": {clone, retry}, "between retries": {retry, clone, retry},
	} {
		for _, pause := range []time.Duration{0, 2 * time.Minute} {
			c := newClock()
			o := options(t, c)
			a := open(t, o)
			enrolled := join(t, a, "hv1")
			for _, contest := range tried {
				if err := a.Contest(t.Context(), enrolled.Provider.ID, contest); err != nil {
					t.Fatal(err)
				}
				c.advance(pause)
			}
			if got := get(t, a, "hv1").Contested; got == nil || got.MachineID != "m2" || !got.Cloned {
				t.Errorf("%s, every %s: contested by %+v", name, pause, got)
			}
			if n := events(t, o.Store, "provider.contested"); pause > 0 && n != len(tried) {
				t.Errorf("%s: %d events", name, n)
			}
			if p, err := a.ReplaceProvider(t.Context(), "hv1", "m2"); err != nil || p.Status.MachineID != "m2" {
				t.Errorf("%s, every %s: %v", name, pause, err)
			}
		}
	}
}

// TestALateContestIsNone: a clone that is refused while an operator lets it take the place is no clone any more.
func TestALateContestIsNone(t *testing.T) {
	o := options(t, newClock())
	a := open(t, o)
	enrolled := join(t, a, "hv1")
	clone := core.Contest{MachineID: "m2", Address: "192.0.2.66:1", Cloned: true, Message: "a second machine has the certificate"}
	for _, step := range []func() error{
		func() error { return a.Contest(t.Context(), enrolled.Provider.ID, clone) },
		func() error { _, err := a.ReplaceProvider(t.Context(), "hv1", "m2"); return err },
		func() error { return a.Contest(t.Context(), enrolled.Provider.ID, clone) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if c := get(t, a, "hv1").Contested; c != nil {
		t.Errorf("contested by the machine that took its place: %+v", c)
	}
}

func TestATokenIsForOneNameAndService(t *testing.T) {
	a := open(t, options(t, newClock()))
	s := token(t, a, core.NewToken{Name: "hv1", Services: []string{"compute"}})
	router := request(t, s)
	router.Services = []string{"network"}
	_, err := a.Enrol(t.Context(), router)
	wantReason(t, err, fault.TokenMismatch)
	if !strings.Contains(err.Error(), "serves compute") || !strings.Contains(err.Error(), "libvirt serves network") {
		t.Errorf("unclear: %v", err)
	}
	other := request(t, s)
	other.Name = "hv2"
	_, err = a.Enrol(t.Context(), other)
	wantReason(t, err, fault.TokenMismatch)
	if strings.Contains(err.Error(), "hv1") {
		t.Errorf("it tells whose the token is: %v", err)
	}
	strange := request(t, s)
	strange.Services = []string{"compute", "\x1b[2J"}
	_, err = a.Enrol(t.Context(), strange)
	wantReason(t, err, fault.InvalidField)

	right := request(t, s) // none of these used the token up
	right.Name, right.Services = "hv1", []string{"compute", "network"}
	e, err := a.Enrol(t.Context(), right)
	if err != nil || strings.Join(e.Provider.Status.AdmittedServices, " ") != "compute" {
		t.Errorf("%+v, %v", e.Provider.Status, err)
	}
	free := request(t, secret(t, a, "r1"))
	free.Services = []string{"network"}
	e, err = a.Enrol(t.Context(), free)
	if err != nil || strings.Join(e.Provider.Status.AdmittedServices, " ") != "network" {
		t.Errorf("a token that names no service: %+v, %v", e.Provider.Status, err)
	}
	_, _, err = a.CreateToken(t.Context(), core.NewToken{Name: "x1", Services: []string{"storage"}})
	wantReason(t, err, fault.InvalidField)
}

func TestNothingIsSignedBeforeApproval(t *testing.T) {
	c := newClock()
	o := options(t, c)
	a := open(t, o)
	s := token(t, a, core.NewToken{Name: "hv1", RequireApproval: true})
	req := request(t, s)
	for range 3 {
		e, err := a.Enrol(t.Context(), req)
		wantReason(t, err, fault.ApprovalPending)
		if e.Certificate != nil {
			t.Fatal("signed")
		}
	}
	st := get(t, a, "hv1")
	if st.Approval == nil || st.Approval.MachineID != "m1" || st.Approval.Address != req.Address || st.CertExpires != nil || st.KeyFingerprint != "" {
		t.Fatalf("%+v", st)
	}
	if n := events(t, o.Store, "provider.approval_requested"); n != 1 {
		t.Errorf("%d events", n)
	}
	_, err := a.Enrol(t.Context(), request(t, s)) // another key with the same token
	wantReason(t, err, fault.TokenUsed)
	_, err = a.ApproveProvider(t.Context(), "hv1", "SHA256:another")
	wantReason(t, err, fault.InvalidField)
	c.advance(24 * time.Hour) // an operator may sleep
	if _, err := a.ApproveProvider(t.Context(), "hv1", st.Approval.KeyFingerprint); err != nil {
		t.Fatal(err)
	}
	e, err := a.Enrol(t.Context(), req)
	if err != nil || e.Certificate == nil {
		t.Fatalf("%+v, %v", e, err)
	}
	if got, err := attach.KeyFingerprint(e.Certificate.PublicKey); err != nil || got != st.Approval.KeyFingerprint {
		t.Errorf("another key was signed: %s, %v", got, err)
	}
	if st := get(t, a, "hv1"); st.Approval != nil || st.KeyFingerprint == "" || st.JoinedAt == nil {
		t.Errorf("%+v", st)
	}
}

func TestRefusingAKey(t *testing.T) {
	a := open(t, options(t, newClock()))
	waiting := request(t, token(t, a, core.NewToken{Name: "hv1", RequireApproval: true}))
	_, err := a.Enrol(t.Context(), waiting)
	wantReason(t, err, fault.ApprovalPending)
	token(t, a, core.NewToken{Name: "hv1"}) // a new token refuses who waits
	if get(t, a, "hv1").Approval != nil {
		t.Error("it still waits")
	}
	_, err = a.Enrol(t.Context(), waiting)
	wantReason(t, err, fault.TokenInvalid)

	waiting = request(t, token(t, a, core.NewToken{Name: "hv2", RequireApproval: true}))
	_, err = a.Enrol(t.Context(), waiting)
	wantReason(t, err, fault.ApprovalPending)
	if err := a.RevokeProvider(t.Context(), "hv2"); err != nil {
		t.Fatal(err)
	}
	_, err = a.Enrol(t.Context(), waiting)
	wantReason(t, err, fault.TokenInvalid)
	if !strings.Contains(err.Error(), "its provider was deleted") {
		t.Errorf("unclear: %v", err)
	}
}

func TestJoiningAnewRefusesCertificatesFromBefore(t *testing.T) {
	c := newClock()
	a := open(t, options(t, c))
	old := join(t, a, "hv1")
	cut := make(chan string, 1)
	a.OnDisconnect(func(id, _ string) { cut <- id })
	c.advance(time.Minute)
	fresh := join(t, a, "hv1")
	if id := <-cut; id != old.Provider.ID {
		t.Errorf("cut %s", id)
	}
	_, err := a.Authenticate(t.Context(), old.Certificate)
	wantReason(t, err, fault.CertRefused)
	_, err = a.Renew(t.Context(), old.Certificate, newRequest(t))
	wantReason(t, err, fault.CertRefused)
	if _, err := a.Authenticate(t.Context(), fresh.Certificate); err != nil {
		t.Error(err)
	}
}

func TestAnExpiredCertificateRenewsItselfFor90Days(t *testing.T) {
	c := newClock()
	a := open(t, options(t, c))
	e, revoked := join(t, a, "hv1"), join(t, a, "hv2")
	if err := a.RevokeProvider(t.Context(), "hv2"); err != nil {
		t.Fatal(err)
	}
	c.advance(7*24*time.Hour + 89*24*time.Hour)
	_, err := a.Authenticate(t.Context(), e.Certificate)
	wantReason(t, err, fault.CertExpired)
	_, err = a.Renew(t.Context(), revoked.Certificate, newRequest(t))
	wantReason(t, err, fault.ProviderRevoked)
	if _, err := a.Renewable(t.Context(), e.Certificate); err != nil {
		t.Error(err)
	}
	renewed, err := a.Renew(t.Context(), e.Certificate, newRequest(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(t.Context(), renewed.Certificate); err != nil {
		t.Error(err)
	}
	c.advance(2 * 24 * time.Hour)
	for name, f := range map[string]func() error{
		"renewal": func() error { _, err := a.Renew(t.Context(), e.Certificate, newRequest(t)); return err },
		"attach":  func() error { _, err := a.Authenticate(t.Context(), e.Certificate); return err },
	} {
		err := f()
		wantReason(t, err, fault.CertExpired)
		if !strings.Contains(err.Error(), "more than 90 days ago, join again with a new token") {
			t.Errorf("%s: unclear: %v", name, err)
		}
	}
}

func TestATokenCanCutOffWhoHasTheName(t *testing.T) {
	c := newClock()
	o := options(t, c)
	a := open(t, o)
	stolen := join(t, a, "hv1")
	setState(t, o.Store, stolen.Provider.ID, core.ProviderReady)
	_, _, err := a.CreateToken(t.Context(), core.NewToken{Name: "hv1"})
	wantReason(t, err, fault.NameTaken)
	if _, err := a.Authenticate(t.Context(), stolen.Certificate); err != nil {
		t.Fatal(err)
	}
	cut := make(chan string, 2)
	a.OnDisconnect(func(id, _ string) { cut <- id })
	s := token(t, a, core.NewToken{Name: "hv1", Replace: true}) // in the very second of the certificate
	if id := <-cut; id != stolen.Provider.ID {
		t.Errorf("cut %s", id)
	}
	for what, err := range map[string]error{
		"attach":  func() error { _, err := a.Authenticate(t.Context(), stolen.Certificate); return err }(),
		"renewal": func() error { _, err := a.Renew(t.Context(), stolen.Certificate, newRequest(t)); return err }(),
	} {
		if fault.ReasonOf(err) != fault.CertRefused {
			t.Errorf("%s: %v", what, err)
		}
	}
	owner, err := a.Enrol(t.Context(), request(t, s))
	if err != nil || owner.Provider.ID != stolen.Provider.ID {
		t.Fatalf("%+v, %v", owner.Provider, err)
	}
	if _, err := a.Authenticate(t.Context(), owner.Certificate); err != nil {
		t.Error(err)
	}
}
