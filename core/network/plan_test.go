// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/cloudtest"
	"github.com/rhyzome/rhyzome/core/operation"
	"github.com/rhyzome/rhyzome/core/operation/operationtest"
)

// trial is one operation, and the rows that there are after it succeeded and after it was undone.
type trial struct {
	kind         string
	begin        func(w *world) (core.Operation, error)
	done, undone string
}

func TestPlans(t *testing.T) {
	for _, c := range []trial{
		{
			"network.create", func(w *world) (core.Operation, error) {
				_, op, err := w.Create(w.t.Context(), "alice", core.New{Name: "lan"}, core.NetworkSpec{})
				return op, err
			},
			"lan ready", "lan error",
		},
		{
			"network.delete", func(w *world) (core.Operation, error) {
				w.made("lan")
				return w.Delete(w.t.Context(), "alice", "lan")
			},
			"", "",
		},
		{
			"peer.create", func(w *world) (core.Operation, error) {
				w.made("lan")
				_, op, err := w.CreatePeer(w.t.Context(), "alice", "lan", core.New{Name: "laptop"}, core.PeerSpec{PublicKey: key(1)})
				return op, err
			},
			"lan ready, laptop ready", "lan ready, laptop error",
		},
		{
			"peer.delete", func(w *world) (core.Operation, error) {
				w.made("lan")
				_, op, err := w.CreatePeer(w.t.Context(), "alice", "lan", core.New{Name: "laptop"}, core.PeerSpec{PublicKey: key(1)})
				if err != nil {
					return op, err
				}
				w.carryOut(op)
				return w.DeletePeer(w.t.Context(), "alice", "lan", "laptop")
			},
			"lan ready", "",
		},
	} {
		t.Run(c.kind, func(t *testing.T) {
			operationtest.Run(t, func(t *testing.T) operationtest.World {
				w := newWorld(t)
				return operationtest.World{
					Store: w.Store, Plans: w.Plans(), Kind: c.kind,
					Begin:  func(context.Context) (core.Operation, error) { return c.begin(w) },
					Done:   func(context.Context) error { return w.compare(c.done) },
					Undone: func(context.Context) error { return w.compare(c.undone) },
				}
			})
		})
	}
}

// carryOut runs an operation with a runner that stops afterwards.
func (w *world) carryOut(op core.Operation) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	r := operation.NewRunner(w.Store, cloudtest.Now, cloudtest.NewID, w.Log)
	r.Register(w.Plans()...)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	w.Wait(op)
	cancel()
	if err := <-ended; err != nil {
		w.t.Fatal(err)
	}
}

// made makes a network, without leaving a runner behind.
func (w *world) made(name string) {
	w.t.Helper()
	_, op, err := w.Create(w.t.Context(), "alice", core.New{Name: name}, core.NetworkSpec{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.carryOut(op)
}

// compare says how rows and states differ from what is wanted, and what the provider has that no good row stands for.
func (w *world) compare(want string) error {
	got, good := "", []string{}
	add := func(name, state string) {
		if got != "" {
			got += ", "
		}
		got += name + " " + state
	}
	w.View(func(tx core.Tx) error {
		networks, err := tx.Networks().Find(core.Query{})
		if err != nil {
			return err
		}
		peers, err := tx.Peers().Find(core.Query{})
		for _, n := range networks {
			add(n.Name, string(n.Status.State))
			if n.Status.State == core.NetworkReady {
				good = append(good, "network "+n.ID)
			} else if n.Status.SegmentID != 0 || n.Status.Router != "" || n.Status.WireGuard != nil || len(n.Status.Subnets) > 0 {
				add(n.Name, "still holds something")
			}
		}
		for _, p := range peers {
			add(p.Name, string(p.Status.State))
			if p.Status.State == core.PeerReady {
				good = append(good, "peer "+p.ID)
			} else if len(p.Status.Addresses) > 0 {
				add(p.Name, "still holds addresses")
			}
		}
		return err
	})
	if got != want {
		return fmt.Errorf("rows are %q, want %q", got, want)
	}
	if has := fmt.Sprint(w.Provider.Has()); has != fmt.Sprint(good) {
		return fmt.Errorf("the provider has %s, want %s", has, good)
	}
	return nil
}
