// SPDX-License-Identifier: Apache-2.0

package compute_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// TestAbandonedDeleteKeepsWhatItHolds: what may still run must not share its addresses with what comes next.
func TestAbandonedDeleteKeepsWhatItHolds(t *testing.T) {
	w := newWorld(t)
	first := w.make("first", onLan(core.InstanceSpec{}))
	op, err := w.Delete(t.Context(), "alice", "first")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Runner.Abandon(t.Context(), op.ID); err != nil {
		t.Fatal(err)
	}
	if i := w.get("first"); i.Status.State != core.InstanceError || i.Status.Operation != "" || len(i.Status.Ports) != 1 {
		t.Errorf("after abandoning: %+v", i.Status)
	}
	second := w.make("second", onLan(core.InstanceSpec{}))
	for _, address := range second.Status.Ports[0].Addresses {
		if slices.Contains(first.Status.Ports[0].Addresses, address) {
			t.Errorf("%s is the first one's, which still runs", address)
		}
	}
	if op, err = w.Delete(t.Context(), "alice", "first"); err != nil {
		t.Fatal(err)
	}
	if op = w.carryOut(op); op.State != core.OperationSucceeded {
		t.Errorf("deleted again: %+v", op)
	}
	if _, there := w.Provider.Instance(first.ID); there {
		t.Error("it is still at the provider")
	}
}

// TestDeleteWithoutItsProvider: with the provider deleted, and not just away, nothing is waited for.
func TestDeleteWithoutItsProvider(t *testing.T) {
	w := newWorld(t)
	w.make("web", onLan(core.InstanceSpec{}))
	w.Provider.SetAway(true)
	w.Update(func(tx core.Tx) error {
		p, err := tx.Providers().Get(w.Row.ID)
		if err != nil {
			return err
		}
		p.Status.State = core.ProviderRevoked
		return tx.Providers().Update(p)
	})
	op, err := w.Delete(t.Context(), "alice", "web")
	if err != nil {
		t.Fatal(err)
	}
	if op = w.carryOut(op); op.State != core.OperationSucceeded {
		t.Errorf("operation = %+v", op)
	}
	if _, err := w.Get(t.Context(), "alice", "web"); fault.ReasonOf(err) != fault.UnknownResource {
		t.Errorf("the row is still there: %v", err)
	}
}

// TestImageByIDInCapitals: ids are found however they are written, and kept as they are.
func TestImageByIDInCapitals(t *testing.T) {
	w := newWorld(t)
	image := w.AddImage(w.alice, "other", "qcow2")
	i := w.make("web", core.InstanceSpec{Image: strings.ToUpper(image.ID)})
	if i.Spec.Image != image.ID {
		t.Errorf("the spec names %q, the id is %q", i.Spec.Image, image.ID)
	}
}
