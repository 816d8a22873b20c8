// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
)

// ready waits until a provider is ready for the next step of the rotation.
func (r *rig) ready(name string) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if r.isReady(name) {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%s does not get ready", name)
		}
	}
}

func (r *rig) isReady(name string) bool {
	r.t.Helper()
	ca, err := r.ca.GetCA(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range ca.Providers {
		if p.Name == name {
			return p.Ready
		}
	}
	r.t.Fatalf("%s is not listed in %+v", name, ca)
	return false
}

func (r *rig) rotate(want core.CAPhase) {
	r.t.Helper()
	ca, err := r.ca.RotateCA(r.t.Context(), false)
	if err != nil || ca.Phase != want {
		r.t.Fatalf("%+v, %v, want %s", ca, err, want)
	}
}

// TestTheCAIsRotatedUnderRealProviders: one is attached all the time, one is away during each of the steps.
func TestTheCAIsRotatedUnderRealProviders(t *testing.T) {
	t.Parallel()
	path := buildMemory(t)
	r := newRig(t)
	_, hereConfig := stateDir(t, 0)
	_, awayConfig := stateDir(t, 0)
	here, away := r.joinByCommand(path, hereConfig, "here"), r.joinByCommand(path, awayConfig, "away")
	startProcess(t, path, "attach", "--config", hereConfig)
	r.waitReady(here.ID)

	r.rotate(core.CASpreading)
	r.ready("here")
	if r.isReady("away") {
		t.Fatal("who is away has the new root")
	}
	_, err := r.ca.RotateCA(t.Context(), false)
	wantReason(t, err, fault.BadState)
	second := startProcess(t, path, "attach", "--config", awayConfig)
	r.waitReady(away.ID)
	r.ready("away")
	second.kill()

	r.rotate(core.CASwitched)
	r.ready("here")
	if r.isReady("away") {
		t.Fatal("the new root signed for who is away")
	}
	second = startProcess(t, path, "attach", "--config", awayConfig)
	r.waitReady(away.ID)
	r.ready("away")
	second.kill()

	r.rotate(core.CASteady)
	startProcess(t, path, "attach", "--config", awayConfig)
	r.waitReady(away.ID)
	if n := r.observer.count("detached " + here.ID); n != 0 {
		t.Errorf("who was there all the time was detached %d times", n)
	}
}

// TestAForcedRotationLeavesOutWhoWasNotReady: they are told so, and a new token brings them back.
func TestAForcedRotationLeavesOutWhoWasNotReady(t *testing.T) {
	r := newRig(t)
	m := r.join("r1")
	for range 3 {
		if _, err := r.ca.RotateCA(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	d, log := r.dialer(m, newEngine(t, memory.New(memory.NewBackend())).Register, "p")
	stop := run(t, d)
	log.wait(t, 1, "certificate_refused", "is of another cloud than the one that this provider joined")
	stop()
	m.identity.Roots = r.roots() // as if it had the root alone
	d, log = r.dialer(m, newEngine(t, memory.New(memory.NewBackend())).Register, "p")
	stop = run(t, d)
	log.wait(t, 1, "certificate_refused", "not one of this cloud's")
	stop()
	again := r.join("r1")
	if again.id != m.id {
		t.Error("it came back as another provider")
	}
	r.start(again, memory.NewBackend())
	r.waitReady(again.id)
}
