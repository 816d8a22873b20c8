// SPDX-License-Identifier: Apache-2.0

package realtest

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/plugins/libvirt"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// death is what a process of a provider does, and before which step it is killed.
type death struct {
	Spec   provider.InstanceSpec
	Delete bool
	Step   string
}

// crash is the life of such a process.
func crash(text string) error {
	var d death
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return err
	}
	p := libvirt.New()
	if err := p.Configure(context.Background(), json.RawMessage(settings)); err != nil {
		return err
	}
	die := func(step string, _ int) {
		if step == d.Step {
			unix.Kill(os.Getpid(), unix.SIGKILL)
		}
	}
	if d.Delete {
		return p.DeleteInstance(context.Background(), d.Spec.ID, die)
	}
	_, err := p.ApplyInstance(context.Background(), d.Spec, die)
	return err
}

func (d death) happen(t *testing.T) {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(within(t, patience), "/proc/self/exe")
	cmd.Env = append(os.Environ(), crashVariable+"="+string(text))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("it did not die at %q: %v: %s", d.Step, err, out)
	}
}

// The steps, and what is listed after a death before each of them.
var (
	applySteps = []string{"defining the domain", "making the disk", "writing the seed", "starting the guest", "marking the instance ready"}

	deleteSteps = []string{"marking the instance", "ending the guest", "removing its ports", "removing its files", "removing the domain"}
)

// listed returns the instance as a new process finds it; nil if it does not.
func listed(t *testing.T, id string) *provider.Instance {
	t.Helper()
	all, err := newProvider(t).ListInstances(within(t, patience))
	if err != nil {
		t.Fatal(err)
	}
	var found *provider.Instance
	for i := range all {
		if all[i].ID == id && found != nil {
			t.Errorf("%s is listed twice", id)
		}
		if all[i].ID == id {
			found = &all[i]
		}
	}
	return found
}

func expectInterrupted(t *testing.T, i *provider.Instance, generation int64) {
	t.Helper()
	if i == nil {
		t.Error("what a dead process left is not listed")
		return
	}
	if i.Phase != provider.PhaseFailed || i.Failure == nil || i.Failure.Reason != fault.Interrupted || i.Generation != generation || i.SpecDigest != "digest-1" {
		t.Errorf("what a dead process left: %+v", i)
	}
}

func TestKilledWhileApplying(t *testing.T) {
	p := newProvider(t)
	image := emptyDisk(t, p)
	for n, step := range applySteps {
		for _, then := range []string{"apply", "delete"} {
			t.Run(step+", then "+then, func(t *testing.T) {
				spec := smallSpec(image, 20)
				removeAtEnd(t, spec.ID)
				death{Spec: spec, Step: step}.happen(t)
				if n == 0 {
					if i := listed(t, spec.ID); i != nil {
						t.Errorf("before the first step: %+v", i)
					}
				} else {
					expectInterrupted(t, listed(t, spec.ID), 1)
				}
				if then == "delete" {
					return // removeAtEnd deletes and counts
				}
				apply(t, newProvider(t), spec)
				expectTraces(t, spec.ID, whole)
				if i := listed(t, spec.ID); i == nil || i.Phase != provider.PhaseReady || i.Power != provider.PowerRunning {
					t.Errorf("after another Apply: %+v", i)
				}
			})
		}
	}
}

func TestKilledWhileDeleting(t *testing.T) {
	p := newProvider(t)
	image := emptyDisk(t, p)
	for n, step := range deleteSteps {
		for _, then := range []string{"apply", "delete"} {
			t.Run(step+", then "+then, func(t *testing.T) {
				spec := smallSpec(image, 21)
				removeAtEnd(t, spec.ID)
				apply(t, p, spec)
				death{Spec: spec, Delete: true, Step: step}.happen(t)
				if n > 0 {
					expectInterrupted(t, listed(t, spec.ID), 1)
				}
				if then == "delete" {
					return
				}
				apply(t, newProvider(t), spec)
				expectTraces(t, spec.ID, whole)
			})
		}
	}
}

// TestCanceledWhileApplying cuts the context instead: the method returns soon, and what it leaves is as after a crash.
func TestCanceledWhileApplying(t *testing.T) {
	p := newProvider(t)
	image := emptyDisk(t, p)
	last := len(applySteps) - 1
	for n, step := range applySteps[1:] {
		t.Run(step, func(t *testing.T) {
			spec := smallSpec(image, 22)
			removeAtEnd(t, spec.ID)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var cut time.Time
			_, err := p.ApplyInstance(ctx, spec, func(now string, _ int) {
				if now == step {
					cut = time.Now()
					cancel()
				}
			})
			// The last step is one call: it is too late.
			if !errors.Is(err, context.Canceled) && (n+1 != last || err != nil) {
				t.Errorf("ApplyInstance = %v", err)
			}
			if late := time.Since(cut); late > 700*time.Millisecond {
				t.Errorf("it returned %v after it was told to", late)
			}
			// At once, as after Cancel: what still runs must not come after this.
			if err := p.DeleteInstance(within(t, patience), spec.ID, quiet); err != nil {
				t.Errorf("DeleteInstance: %v", err)
			}
			expectTraces(t, spec.ID, traces{})
			if i := listed(t, spec.ID); i != nil {
				t.Errorf("after Delete: %+v", i)
			}
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	p := newProvider(t)
	image := emptyDisk(t, p)
	const each = 3
	specs := make([]provider.InstanceSpec, 4)
	failures := make(chan error, each*len(specs))
	for n := range specs {
		specs[n] = smallSpec(image, 23)
		removeAtEnd(t, specs[n].ID)
		for range each {
			go func() {
				_, err := p.ApplyInstance(within(t, patience), specs[n], quiet)
				failures <- err
			}()
		}
	}
	for range cap(failures) {
		if err := <-failures; err != nil {
			t.Errorf("ApplyInstance: %v", err)
		}
	}
	for _, spec := range specs {
		expectTraces(t, spec.ID, whole)
	}
}
