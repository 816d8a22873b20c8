// SPDX-License-Identifier: Apache-2.0

package compute_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/operation/operationtest"
)

func TestPlans(t *testing.T) {
	running := onLan(core.InstanceSpec{})
	stopped := onLan(core.InstanceSpec{Power: "stopped"})
	for kind, c := range map[string]struct {
		begin        func(w *world) (core.Operation, error)
		done, undone string // state of the instance, and its power at the provider
	}{
		"instance.create": {
			func(w *world) (core.Operation, error) {
				_, op := w.create("web", running)
				return op, nil
			},
			"running running", "error gone",
		},
		"instance.delete": {
			func(w *world) (core.Operation, error) {
				w.make("web", running)
				return w.Delete(w.t.Context(), "alice", "web")
			},
			"gone gone", "",
		},
		"instance.start": {
			func(w *world) (core.Operation, error) {
				w.make("web", stopped)
				return w.Start(w.t.Context(), "alice", "web")
			},
			"running running", "stopped stopped",
		},
		"instance.stop": {
			func(w *world) (core.Operation, error) {
				w.make("web", running)
				return w.Stop(w.t.Context(), "alice", "web")
			},
			"stopped stopped", "running running",
		},
		"instance.reboot": {
			func(w *world) (core.Operation, error) {
				w.make("web", running)
				return w.Reboot(w.t.Context(), "alice", "web", false)
			},
			"running running", "running running",
		},
	} {
		t.Run(kind, func(t *testing.T) {
			operationtest.Run(t, func(t *testing.T) operationtest.World {
				w := newWorld(t)
				return operationtest.World{
					Store: w.Store, Plans: w.plans(), Kind: kind,
					Begin:  func(context.Context) (core.Operation, error) { return c.begin(w) },
					Done:   func(context.Context) error { return w.compare(c.done) },
					Undone: func(context.Context) error { return w.compare(c.undone) },
				}
			})
		})
	}
}

// compare says how the one instance differs from what is wanted, and what is there without it or missing.
func (w *world) compare(want string) error {
	var instances []core.Instance
	var ports []core.Port
	w.View(func(tx core.Tx) (err error) {
		if instances, err = tx.Instances().Find(core.Query{}); err != nil {
			return err
		}
		ports, err = tx.Ports().Find(core.Query{})
		return err
	})
	state, power, held, objects := "gone", "gone", 0, 1 // the network
	for _, i := range instances {
		state = string(i.Status.State)
		if i.Status.Operation != "" {
			return fmt.Errorf("operation %s is still on the row", i.Status.Operation)
		}
		if spec, ok := w.Provider.Instance(i.ID); ok {
			power, held, objects = string(spec.Power), 1, 3
			if got := w.Provider.Reboots(i.ID); len(got) > 1 {
				return fmt.Errorf("it was rebooted %d times", len(got))
			}
			if spec.Generation != i.Generation {
				return fmt.Errorf("the provider has generation %d, the row %d", spec.Generation, i.Generation)
			}
		}
	}
	if got := state + " " + power; got != want {
		return fmt.Errorf("state and power are %q, want %q", got, want)
	}
	allocated := w.host("hv1").Allocated["vcpus"] + w.host("hv2").Allocated["vcpus"]
	if len(ports) != held || int(allocated) != held || len(w.Provider.Has()) != objects {
		return fmt.Errorf("%d ports, %d vcpus, provider has %v; want %d, %d, %d objects", len(ports), allocated, w.Provider.Has(), held, held, objects)
	}
	return nil
}
