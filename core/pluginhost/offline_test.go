// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/pki"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
)

// vault is a root that is kept away from the core.
func (r *rig) vault() (dir string) {
	r.t.Helper()
	ca, err := r.ca.GetCA(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	dir = filepath.Join(r.t.TempDir(), "vault")
	if _, err := pki.MakeRoot(dir, ca.Cloud, r.clock.now()); err != nil {
		r.t.Fatal(err)
	}
	return dir
}

// install lets the root in dir sign another key of the core.
func (r *rig) install(dir string, want core.CAPhase) {
	r.t.Helper()
	asked, err := r.ca.RequestCA(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	signed, err := pki.SignRequest(dir, []byte(asked.CertificateRequest), 365*day, r.clock.now())
	if err != nil {
		r.t.Fatal(err)
	}
	if ca, err := r.ca.InstallCA(r.t.Context(), string(signed.Certificates)); err != nil || ca.Phase != want {
		r.t.Fatalf("%+v, %v, want %s", ca, err, want)
	}
}

// offline takes the root's key away before anybody joins.
func (r *rig) offline() (dir string) {
	r.t.Helper()
	dir = r.vault()
	r.install(dir, core.CASpreading)
	r.rotate(core.CASwitched)
	r.rotate(core.CASteady)
	return dir
}

// TestRealProvidersUnderAnOfflineRoot: they join, attach and renew behind an intermediate; another takes its place while
// one of them is away, which then comes back with what it has.
func TestRealProvidersUnderAnOfflineRoot(t *testing.T) {
	t.Parallel()
	path := buildMemory(t)
	r := newRig(t)
	dir := r.offline()
	_, hereConfig := stateDir(t, 0)
	_, awayConfig := stateDir(t, 0)
	here, away := r.joinByCommand(path, hereConfig, "here"), r.joinByCommand(path, awayConfig, "away")
	startProcess(t, path, "attach", "--config", hereConfig)
	r.waitReady(here.ID)
	second := startProcess(t, path, "attach", "--config", awayConfig)
	r.waitReady(away.ID)
	second.kill()
	root := r.ca.Root()

	r.install(dir, core.CASwitched)
	r.ready("here")
	if r.isReady("away") || !r.ca.Root().Equal(root) {
		t.Fatal("who is away has a certificate of the new intermediate, or it is under another root")
	}
	_, err := r.ca.RotateCA(t.Context(), false)
	wantReason(t, err, fault.BadState)
	startProcess(t, path, "attach", "--config", awayConfig)
	r.waitReady(away.ID)
	r.ready("away")
	r.rotate(core.CASteady)
	if n := r.observer.count("detached " + here.ID); n != 0 {
		t.Errorf("who was there all the time was detached %d times", n)
	}
	if err := r.ca.RevokeProvider(t.Context(), "here"); err != nil {
		t.Fatal(err)
	}
	r.observer.wait(t, 1, "detached "+here.ID)
	r.log.wait(t, 1, "provider refused", "provider_revoked")
}

// TestWhoWasAwayForMonthsUnderAnOfflineRoot: its certificate expired meanwhile, and is of an intermediate that signs no more.
func TestWhoWasAwayForMonthsUnderAnOfflineRoot(t *testing.T) {
	r := newRig(t)
	dir := r.offline()
	m, late := r.join("r1"), r.join("r2")
	r.clock.advance(60 * day)
	r.install(dir, core.CASwitched)
	renewed, err := r.renewExpired(m, "m-r1")
	if err != nil {
		t.Fatal(err)
	}
	r.start(renewed, memory.NewBackend())
	r.waitReady(m.id)
	if _, err := r.ca.RotateCA(t.Context(), true); err != nil { // without r2
		t.Fatal(err)
	}
	_, err = r.renewExpired(late, "m-r2")
	wantReason(t, err, fault.CertRefused)
}

// TestAnIntermediateOfAnotherCloudIsRefused, by providers and by the core.
func TestAnIntermediateOfAnotherCloudIsRefused(t *testing.T) {
	r, other := newRig(t), newRig(t)
	r.offline()
	other.offline()
	stranger, member := other.join("r1"), r.join("r1")
	d, log := r.dialer(stranger, newEngine(t, memory.New(memory.NewBackend())).Register, "p")
	stop := run(t, d)
	log.wait(t, 1, "certificate_refused", "is of another cloud than the one that this provider joined")
	stop()
	stranger.identity.Roots = r.roots()
	d, log = r.dialer(stranger, newEngine(t, memory.New(memory.NewBackend())).Register, "p")
	stop = run(t, d)
	log.wait(t, 1, "certificate_refused", "not one of this cloud's")
	stop()
	if _, err := attach.CoreConn(t.Context(), other.address, member.identity, time.Now); fault.ReasonOf(err) != fault.CertRefused {
		t.Errorf("a core of another cloud: %v", err)
	}
}
