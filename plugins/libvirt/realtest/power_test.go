// SPDX-License-Identifier: Apache-2.0

package realtest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// next is the spec with another power state, one generation later.
func next(spec provider.InstanceSpec, power provider.PowerState) provider.InstanceSpec {
	spec.Generation++
	spec.SpecDigest += "+"
	spec.Power = power
	return spec
}

// bootID tells one boot of a guest from another.
const bootID = "cat /proc/sys/kernel/random/boot_id"

func TestPower(t *testing.T) {
	p := newProvider(t)
	spec := vmSpec(pushVM(t, p), 12)
	removeAtEnd(t, spec.ID)
	apply(t, p, spec)
	first := ask(t, spec.ID, bootID)
	process := run(t, "pgrep", "-f", "guest=rz-"+spec.ID)

	// The same again changes nothing.
	apply(t, p, spec)
	expectTraces(t, spec.ID, whole)
	if again := run(t, "pgrep", "-f", "guest=rz-"+spec.ID); again != process {
		t.Errorf("Apply of the same started another process: %s, then %s", process, again)
	}

	// A reboot, twice for one operation.
	rebooted, err := p.RebootInstance(within(t, patience), spec.ID, "operation-1", false)
	if err != nil || rebooted.LastRebootOperationID != "operation-1" || rebooted.Phase != provider.PhaseReady {
		t.Fatalf("RebootInstance = %+v, %v", rebooted, err)
	}
	second := ask(t, spec.ID, bootID)
	if second == first {
		t.Error("the guest did not restart")
	}
	if _, err := newProvider(t).RebootInstance(within(t, patience), spec.ID, "operation-1", true); err != nil {
		t.Fatal(err)
	}
	if same := ask(t, spec.ID, bootID); same != second {
		t.Error("the same operation restarted the guest twice")
	}
	if _, err := p.RebootInstance(within(t, patience), spec.ID, "operation-2", true); err != nil {
		t.Fatal(err)
	}
	if third := ask(t, spec.ID, bootID+"; touch /disk/kept; sync"); third == second {
		t.Error("a hard reboot did not restart the guest")
	}

	// Stopped, it keeps what was on its disk; the mark keeps the reboot.
	spec = next(spec, provider.PowerStopped)
	began := time.Now()
	halted := apply(t, p, spec)
	if took := time.Since(began); took > 50*time.Second {
		t.Errorf("the guest was not asked to shut down: it took %v", took)
	}
	if halted.Power != provider.PowerStopped || halted.Generation != 2 || halted.LastRebootOperationID != "operation-2" {
		t.Errorf("stopped: %+v", halted)
	}
	expectTraces(t, spec.ID, traces{Domains: 1, Directories: 1})
	if _, err := p.RebootInstance(within(t, patience), spec.ID, "operation-3", false); fault.ReasonOf(err) != fault.BadState {
		t.Errorf("reboot of a stopped instance: %v", err)
	}
	spec = next(spec, provider.PowerRunning)
	if started := apply(t, p, spec); started.Power != provider.PowerRunning || started.Generation != 3 {
		t.Errorf("started: %+v", started)
	}
	if kept := ask(t, spec.ID, "ls /disk/kept"); kept != "/disk/kept" {
		t.Errorf("the disk lost a file: %s", kept)
	}
}

func TestGuestThatShutsItselfDown(t *testing.T) {
	p := newProvider(t)
	spec := vmSpec(pushVM(t, p), 13)
	removeAtEnd(t, spec.ID)
	apply(t, p, spec)
	changes, _ := watch(t, p)
	ask(t, spec.ID, "poweroff")
	waiting := within(t, patience)
	for seen := false; !seen; {
		select {
		case id := <-changes:
			if id != spec.ID {
				t.Errorf("a change of %q", id)
			}
			i, err := p.GetInstance(t.Context(), spec.ID)
			seen = err == nil && i.Power == provider.PowerStopped && i.Phase == provider.PhaseReady
		case <-waiting.Done():
			t.Fatal("nobody said that the guest stopped")
		}
	}
	expectTraces(t, spec.ID, traces{Domains: 1, Directories: 1})
}

func TestGuestThatDoesNotListen(t *testing.T) {
	p := newProvider(t)
	configure(t, p, strings.Replace(settings, "{", `{"shutdown_seconds":3,`, 1))
	spec := smallSpec(emptyDisk(t, p), 14) // firmware that finds nothing to boot has no power button
	removeAtEnd(t, spec.ID)
	apply(t, p, spec)
	spec = next(spec, provider.PowerStopped)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := p.ApplyInstance(ctx, spec, func(step string, _ int) {
			if step == "stopping the guest" {
				time.AfterFunc(time.Second, cancel)
			}
		})
		failed <- err
	}()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("a stop that is cancelled: %v", err)
	}
	if i, err := p.GetInstance(t.Context(), spec.ID); err != nil || i.Power != provider.PowerRunning || i.Phase != provider.PhaseFailed {
		t.Errorf("after it: %+v, %v", i, err)
	}
	began := time.Now()
	if i := apply(t, p, spec); i.Power != provider.PowerStopped || i.Phase != provider.PhaseReady {
		t.Errorf("stopped: %+v", i)
	}
	if took := time.Since(began); took < 3*time.Second {
		t.Errorf("it was ended after %v, and had 3 s", took)
	}
}
