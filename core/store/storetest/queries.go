// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
)

// wantFound compares the ids that a query finds.
func wantFound[T any](t *testing.T, s core.Store, what string, table func(core.Tx) core.Table[T], rowID func(T) string, q core.Query, want ...int) {
	t.Helper()
	var got, ids []string
	for _, n := range want {
		ids = append(ids, id(n))
	}
	view(t, s, func(tx core.Tx) error {
		rows, err := table(tx).Find(q)
		for _, row := range rows {
			got = append(got, rowID(row))
		}
		return err
	})
	if !slices.Equal(got, ids) {
		t.Errorf("%s: found %q, want %q", what, got, ids)
	}
}

func testSelection(t *testing.T, s core.Store) {
	update(t, s, func(tx core.Tx) error {
		for n, i := range []core.Instance{
			{Project: "p", Meta: core.Meta{Name: "a"}, Status: core.InstanceStatus{Host: "h"}},
			{Project: "p", Meta: core.Meta{Name: "b"}},
			{Project: "q", Meta: core.Meta{Name: "a"}, Status: core.InstanceStatus{Host: "h"}},
		} {
			i.ID = id(n)
			if err := tx.Instances().Insert(i); err != nil {
				return err
			}
		}
		for n, p := range []core.Port{{Network: "n", Instance: "i"}, {Network: "n", Instance: "j"}, {Network: "m", Instance: "i"}} {
			p.ID = id(n)
			if err := tx.Ports().Insert(p); err != nil {
				return err
			}
		}
		for n, h := range []core.Host{{Provider: "x"}, {Provider: "y"}} {
			h.ID, h.Name, h.BackendID = id(n), "h"+id(n), "b"
			if err := tx.Hosts().Insert(h); err != nil {
				return err
			}
		}
		for n, w := range []core.Network{{Status: core.NetworkStatus{Router: "r", Handle: "1"}}, {Status: core.NetworkStatus{Handle: "2"}}} {
			w.ID, w.Project, w.Name = id(n), "p", "n"+id(n)
			if err := tx.Networks().Insert(w); err != nil {
				return err
			}
		}
		return nil
	})
	instance := func(i core.Instance) string { return i.ID }
	wantFound(t, s, "all", core.Tx.Instances, instance, core.Query{}, 0, 1, 2)
	wantFound(t, s, "by project", core.Tx.Instances, instance, core.Query{Project: "p"}, 0, 1)
	wantFound(t, s, "by name", core.Tx.Instances, instance, core.Query{Name: "a"}, 0, 2)
	wantFound(t, s, "by project and name", core.Tx.Instances, instance, core.Query{Project: "q", Name: "a"}, 2)
	wantFound(t, s, "by host", core.Tx.Instances, instance, core.Query{Parent: "h"}, 0, 2)
	wantFound(t, s, "by nobody", core.Tx.Instances, instance, core.Query{Project: "' OR 1=1 --"})
	wantFound(t, s, "by a field that instances lack", core.Tx.Instances, instance, core.Query{Instance: "i"})
	wantFound(t, s, "open instances", core.Tx.Instances, instance, core.Query{Open: true})

	port := func(p core.Port) string { return p.ID }
	wantFound(t, s, "ports by network", core.Tx.Ports, port, core.Query{Parent: "n"}, 0, 1)
	wantFound(t, s, "ports by instance", core.Tx.Ports, port, core.Query{Instance: "i"}, 0, 2)
	wantFound(t, s, "ports by both", core.Tx.Ports, port, core.Query{Parent: "n", Instance: "i"}, 0)
	wantFound(t, s, "hosts by provider", core.Tx.Hosts, func(h core.Host) string { return h.ID }, core.Query{Parent: "y"}, 1)
	wantFound(t, s, "networks by router", core.Tx.Networks, func(n core.Network) string { return n.ID }, core.Query{Parent: "r"}, 0)
}

func testPages(t *testing.T, s core.Store) {
	const rows = 1203
	update(t, s, func(tx core.Tx) error {
		for n := rows - 1; n >= 0; n-- { // against the order
			if err := tx.Fabrics().Insert(core.Fabric{Meta: core.Meta{ID: id(n), Name: id(n)}}); err != nil {
				return err
			}
		}
		return nil
	})
	for limit, size := range map[int]int{0: 100, 99: 99, 1000: 1000, 5000: 1000} {
		var got []string
		view(t, s, func(tx core.Tx) error {
			after := ""
			for {
				page, err := tx.Fabrics().Find(core.Query{Page: core.Page{After: after, Limit: limit}})
				if err != nil || len(page) == 0 {
					return err
				}
				if left := rows - len(got); len(page) != min(size, left) {
					t.Errorf("limit %d gives %d rows", limit, len(page))
				}
				for _, f := range page {
					got = append(got, f.ID)
				}
				after = page[len(page)-1].ID
			}
		})
		if len(got) != rows || !slices.IsSorted(got) || len(slices.Compact(got)) != rows {
			t.Errorf("limit %d: the pages have %d rows, or not in order", limit, len(got))
		}
	}
}

func testDue(t *testing.T, s core.Store) {
	past, future := at.Add(-time.Microsecond), at.Add(time.Microsecond)
	update(t, s, func(tx core.Tx) error {
		for n, o := range []core.Operation{
			{State: core.OperationPending, RunAt: at},
			{State: core.OperationWaiting, RunAt: future},
			{State: core.OperationRunning, RunAt: past, LeaseUntil: future},
			{State: core.OperationReverting, RunAt: past, LeaseUntil: past},
			{State: core.OperationSucceeded, RunAt: past},
		} {
			o.ID, o.Resource.ID = id(n), id(n)
			if err := tx.Operations().Insert(o); err != nil {
				return err
			}
		}
		return nil
	})
	operation := func(o core.Operation) string { return o.ID }
	wantFound(t, s, "due", core.Tx.Operations, operation, core.Query{Open: true, DueBy: at}, 0, 3)
	wantFound(t, s, "due a microsecond later", core.Tx.Operations, operation, core.Query{Open: true, DueBy: future}, 0, 1, 2, 3)
	wantFound(t, s, "open", core.Tx.Operations, operation, core.Query{Open: true}, 0, 1, 2, 3)
}
