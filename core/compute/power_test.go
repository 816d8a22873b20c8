// SPDX-License-Identifier: Apache-2.0

package compute_test

import (
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// end carries an accepted operation out, which must succeed.
func (w *world) end(op core.Operation, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	if op = w.carryOut(op); op.State != core.OperationSucceeded {
		w.t.Fatalf("operation = %+v: %+v", op, op.Error)
	}
}

func TestStopAndStart(t *testing.T) {
	w := newWorld(t)
	w.make("web", onLan(core.InstanceSpec{}))
	w.end(w.Stop(t.Context(), "alice", "web"))
	i := w.get("web")
	if i.Status.State != core.InstanceStopped || i.Spec.Power != "stopped" || i.Generation != 2 {
		t.Errorf("stopped = %+v", i)
	}
	if spec, _ := w.Provider.Instance(i.ID); spec.Power != "stopped" || spec.Generation != 2 {
		t.Errorf("spec = %+v", spec)
	}
	w.end(w.Stop(t.Context(), "alice", "web"))
	w.end(w.Start(t.Context(), "alice", "web"))
	if i = w.get("web"); i.Status.State != core.InstanceRunning || i.Generation != 4 || i.Status.Operation != "" {
		t.Errorf("started = %+v", i)
	}
}

// A start that fails leaves the power that was, under a generation that the provider takes for newer.
func TestFailedStartIsReverted(t *testing.T) {
	w := newWorld(t)
	w.make("web", onLan(core.InstanceSpec{Power: "stopped"}))
	refused := false
	w.Provider.SetFail(func(string, string) error {
		if refused {
			return nil
		}
		refused = true
		return fault.New(fault.BackendRefused, "no")
	})
	op, err := w.Start(t.Context(), "alice", "web")
	if err != nil {
		t.Fatal(err)
	}
	if op = w.carryOut(op); op.State != core.OperationFailed {
		t.Fatalf("operation = %+v", op)
	}
	i := w.get("web")
	if i.Spec.Power != "stopped" || i.Generation != 3 || i.Status.State != core.InstanceStopped || i.Status.Message != "no" {
		t.Errorf("instance = %+v", i)
	}
	if spec, _ := w.Provider.Instance(i.ID); spec.Power != "stopped" || spec.Generation != 3 {
		t.Errorf("spec = %+v", spec)
	}
}

func TestReboot(t *testing.T) {
	w := newWorld(t)
	i := w.make("web", onLan(core.InstanceSpec{}))
	op, err := w.Reboot(t.Context(), "alice", "web", true)
	w.end(op, err)
	if got := w.Provider.Reboots(i.ID); len(got) != 1 || got[0] != op.ID {
		t.Errorf("reboots = %v, want %s", got, op.ID)
	}
	if i = w.get("web"); i.Status.State != core.InstanceRunning || i.Generation != 1 || i.Status.Operation != "" {
		t.Errorf("instance = %+v", i)
	}
	w.end(w.Stop(t.Context(), "alice", "web"))
	if _, err := w.Reboot(t.Context(), "alice", "web", false); fault.ReasonOf(err) != fault.BadState {
		t.Errorf("reboot of a stopped one = %v, want bad_state", err)
	}
	w.end(w.Start(t.Context(), "alice", "web"))
	w.Row.Status.Capabilities = []string{core.CapabilityImages}
	w.Update(func(tx core.Tx) error { return tx.Providers().Update(w.Row) })
	if _, err := w.Reboot(t.Context(), "alice", "web", false); fault.ReasonOf(err) != fault.NoCapability {
		t.Errorf("reboot without capability = %v, want no_capability", err)
	}
	if i = w.get("web"); i.Status.Operation != "" {
		t.Errorf("a refused reboot left operation %s", i.Status.Operation)
	}
}
