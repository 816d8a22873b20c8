// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
)

func TestJoinWaitsForApproval(t *testing.T) {
	core, dir := newFakeCore(t, newAuthority(t)), t.TempDir()
	core.refusals = []error{fault.New(fault.ApprovalPending, "an operator has to approve the key first")}
	status, out, errText := command(t, core.token(), "join", "--core", core.address, "--state-dir", dir, "--token-file", "-", "--name", "hv1")
	if status != 0 || strings.Count(out, "This machine's key is ") != 1 || !strings.Contains(out, "Joined as provider hv1") {
		t.Fatalf("%d, %s, %s", status, out, errText)
	}
	first, second := core.requests[0], core.requests[1]
	if fingerprint(t, first.GetCertificateRequest()) != fingerprint(t, second.GetCertificateRequest()) {
		t.Error("it came back with another key")
	}
	if !strings.Contains(out, "This machine's key is "+fingerprint(t, first.GetCertificateRequest())) {
		t.Errorf("the key's fingerprint does not show: %s", out)
	}
	if first.GetProviderName() != "hv1" || strings.Join(first.GetServices(), " ") != "compute network" {
		t.Errorf("asked for %q, serving %q", first.GetProviderName(), first.GetServices())
	}
	if _, err := os.Stat(joiningFile(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the joining key stays: %v", err)
	}
}

func TestAJoinWithoutAnAnswerKeepsItsKey(t *testing.T) {
	core, dir := newFakeCore(t, newAuthority(t)), t.TempDir()
	core.refusals = []error{fault.New(fault.CoreAway, "lost"), fault.New(fault.TokenMismatch, "the join token is for another provider than hv9")}
	join := func() (int, string) {
		status, _, err := command(t, core.token(), "join", "--core", core.address, "--state-dir", dir, "--token-file", "-")
		return status, err
	}
	if status, err := join(); status != 1 || !strings.Contains(err, "core_unreachable") {
		t.Fatalf("%d, %s", status, err)
	}
	if info, err := os.Stat(joiningFile(dir)); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	if status, err := join(); status != 1 || !strings.Contains(err, "token_mismatch") || !strings.Contains(err, "Use the token that was made for this one") {
		t.Fatalf("%d, %s", status, err)
	}
	if fingerprint(t, core.requests[0].GetCertificateRequest()) != fingerprint(t, core.requests[1].GetCertificateRequest()) {
		t.Error("it came back with another key")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("a refused join left %v, %v", left, err)
	}
}

func TestTheTokenIsNoArgument(t *testing.T) {
	core := newFakeCore(t, newAuthority(t))
	status, out, err := command(t, "", "join", core.token(), "--core", core.address, "--state-dir", t.TempDir())
	if status != 1 || strings.Contains(out+err, core.token()) || core.enrols.Load() != 0 {
		t.Errorf("%d, %s, %s", status, out, err)
	}
}

// renewing runs keepRenewed until the certificate is another one.
func renewing(t *testing.T, m *member) {
	t.Helper()
	before := m.current().Certificate.Leaf
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() { m.keepRenewed(ctx) })
	defer work.Wait()
	defer cancel()
	for deadline := time.Now().Add(20 * time.Second); m.current().Certificate.Leaf == before; {
		if time.Now().After(deadline) {
			t.Fatal("not renewed")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestAMachineWithoutAClockRenewsWhatExpired: its clock stands in 1970, so it believes its certificate until the core
// says what time it is.
func TestAMachineWithoutAClockRenewsWhatExpired(t *testing.T) {
	core, dir := newFakeCore(t, newAuthority(t)), t.TempDir()
	core.refusals = []error{fault.New(fault.CoreAway, "not yet")}
	m, err := newMember(core.ca.enrolled(dir, core.address), dir, func() time.Time { return time.Unix(0, 0) })
	if err != nil {
		t.Fatal(err)
	}
	m.machine = "m1"
	if m.due() {
		t.Fatal("it renews before it is told the time")
	}
	m.clock.Raise(time.Now().Add(61 * time.Minute)) // the certificate ends in an hour
	renewing(t, m)
	core.mu.Lock()
	defer core.mu.Unlock()
	if n := len(core.expiredRenews); core.renews.Load() != 0 || n < 2 || core.expiredRenews[0].GetMachineId() != "m1" {
		t.Errorf("%d renewals at the front door, %d at the other: %v", core.renews.Load(), n, core.expiredRenews)
	}
}

// fingerprint returns that of a request's key.
func fingerprint(t *testing.T, request []byte) string {
	t.Helper()
	csr, err := x509.ParseCertificateRequest(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := attach.KeyFingerprint(csr.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestServicesOfAPlugin(t *testing.T) {
	b := memory.NewBackend()
	for want, g := range map[string]*program{
		"compute": {provider: memory.NewCompute(b)}, "network": {provider: memory.NewNetwork(b)}, "compute network": {provider: memory.New(b)},
	} {
		if got := strings.Join(g.services(), " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
