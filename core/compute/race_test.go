// SPDX-License-Identifier: Apache-2.0

package compute_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Many creates at once on one network: each gets an address of its own, and all are made.
func TestParallelCreates(t *testing.T) {
	const many = 50
	w := newWorld(t)
	w.Run()
	made, errs := w.createMany(many, "lan")
	seen := map[string]bool{}
	for n := range many {
		if errs[n] != nil {
			t.Fatal(errs[n])
		}
		p := made[n].Status.Ports[0]
		for _, unique := range append(p.Addresses, p.MAC, p.ID) {
			if seen[unique] {
				t.Errorf("%s was given twice", unique)
			}
			seen[unique] = true
		}
		if op := w.Wait(core.Operation{ID: made[n].Status.Operation}); op.State != core.OperationSucceeded {
			t.Errorf("operation = %+v", op)
		}
	}
	if got := len(w.Provider.Has()); got != 1+2*many {
		t.Errorf("the provider has %d objects, want a network and %d ports and instances", got, many)
	}
	if a, b := w.host("hv1").Allocated["vcpus"], w.host("hv2").Allocated["vcpus"]; a != many/2 || b != many/2 {
		t.Errorf("allocated %d and %d vcpus, want %d each", a, b, many/2)
	}
}

// A /29 has addresses for exactly five. Those who come too late leave nothing behind.
func TestSubnetFull(t *testing.T) {
	w := newWorld(t)
	w.network("small", core.NetworkSpec{IPv4CIDR: "10.3.0.0/29"})
	w.Run()
	made, errs := w.createMany(12, "small")
	got := 0
	for n, err := range errs {
		switch {
		case err == nil:
			got++
			if op := w.Wait(core.Operation{ID: made[n].Status.Operation}); op.State != core.OperationSucceeded {
				t.Errorf("operation = %+v", op)
			}
		case fault.ReasonOf(err) != fault.SubnetFull || fault.Of(err).Fields[0].Field != "/spec/networks/0/network":
			t.Errorf("fault = %#v, want subnet_full, of the network", err)
		}
	}
	if got != 5 {
		t.Errorf("%d got an address, want 5", got)
	}
	w.View(func(tx core.Tx) error {
		instances, err := tx.Instances().Find(core.Query{})
		if err != nil {
			return err
		}
		ports, err := tx.Ports().Find(core.Query{})
		if err != nil {
			return err
		}
		open, err := tx.Operations().Find(core.Query{Open: true})
		if len(instances) != 5 || len(ports) != 5 || len(open) != 0 {
			t.Errorf("%d instances, %d ports, %d open operations; want 5, 5, 0", len(instances), len(ports), len(open))
		}
		return err
	})
	if got := w.host("hv1").Allocated["vcpus"] + w.host("hv2").Allocated["vcpus"]; got != 5 {
		t.Errorf("%d vcpus allocated, want 5", got)
	}
}

// createMany has n instances accepted at the same time.
func (w *world) createMany(n int, network string) ([]core.Instance, []error) {
	made, errs := make([]core.Instance, n), make([]error, n)
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			spec := core.InstanceSpec{Image: "disk", Networks: []core.Attachment{{Network: network}}}
			made[i], _, errs[i] = w.Create(w.t.Context(), "alice", core.New{Name: fmt.Sprint("i", i)}, spec)
		})
	}
	wait.Wait()
	return made, errs
}
