// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/store"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func openStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "db"), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func idNumber(n int) string { return fmt.Sprintf("0198c0de-0000-7000-8000-%012d", n) }

func TestFind(t *testing.T) {
	s := openStore(t)
	alice := core.Project{Meta: core.Meta{ID: idNumber(1), Name: "alice"}}
	bob := core.Project{Meta: core.Meta{ID: idNumber(2), Name: "bob"}}
	image := core.Image{Meta: core.Meta{ID: "0198c0de-0000-7000-8000-00000000000f", Name: "debian"}, Project: alice.ID}
	err := s.Update(t.Context(), func(tx core.Tx) error {
		for _, p := range []core.Project{alice, bob} {
			if err := tx.Projects().Insert(p); err != nil {
				return err
			}
		}
		return tx.Images().Insert(image)
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		project core.Project
		ref     string
		reason  fault.Reason
	}{
		"by name":            {alice, "debian", ""},
		"by id":              {alice, image.ID, ""},
		"by id in capitals":  {alice, strings.ToUpper(image.ID), ""},
		"unknown name":       {alice, "fedora", fault.UnknownResource},
		"unknown id":         {alice, idNumber(9), fault.UnknownResource},
		"no name":            {alice, "", fault.UnknownResource},
		"name of another's":  {bob, "debian", fault.UnknownResource},
		"id of another's":    {bob, image.ID, fault.UnknownResource},
		"name of the parent": {alice, "alice", fault.UnknownResource},
	} {
		t.Run(name, func(t *testing.T) {
			err := s.View(t.Context(), func(tx core.Tx) error {
				got, err := core.FindImage(tx, c.project, c.ref)
				if err == nil && got.ID != image.ID {
					t.Errorf("found %s", got.ID)
				}
				return err
			})
			if fault.ReasonOf(err) != c.reason {
				t.Errorf("fault %v, want %q", err, c.reason)
			}
		})
	}
}

func TestListAndAll(t *testing.T) {
	s := openStore(t)
	const rows = 2003
	err := s.Update(t.Context(), func(tx core.Tx) error {
		for i := range rows {
			if err := tx.Fabrics().Insert(core.Fabric{Meta: core.Meta{ID: idNumber(i), Name: fmt.Sprint("f", i)}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	id := func(f core.Fabric) string { return f.ID }
	err = s.View(t.Context(), func(tx core.Tx) error {
		all, err := core.All(tx.Fabrics(), core.Query{}, id)
		if len(all) != rows || !slices.IsSortedFunc(all, func(a, b core.Fabric) int { return strings.Compare(a.ID, b.ID) }) {
			t.Errorf("All returned %d rows, want %d in order", len(all), rows)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{0, 1000, 2003 / 3} {
		seen, cursor := 0, ""
		for page := 0; page == 0 || cursor != ""; page++ {
			err := s.View(t.Context(), func(tx core.Tx) error {
				got, next, err := core.List(tx.Fabrics(), core.Query{Page: core.Page{After: cursor, Limit: limit}}, id)
				if len(got) == 0 {
					t.Errorf("limit %d: page %d is empty", limit, page)
				}
				seen, cursor = seen+len(got), next
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if seen != rows {
			t.Errorf("limit %d: pages hold %d rows, want %d", limit, seen, rows)
		}
	}
	for _, limit := range []int{-1, 1001} {
		err := s.View(t.Context(), func(tx core.Tx) error {
			_, _, err := core.List(tx.Fabrics(), core.Query{Page: core.Page{Limit: limit}}, id)
			return err
		})
		if fault.ReasonOf(err) != fault.InvalidField {
			t.Errorf("limit %d: %v, want invalid_field", limit, err)
		}
	}
}
