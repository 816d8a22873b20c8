// SPDX-License-Identifier: Apache-2.0

package project_test

import (
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/cloudtest"
	"github.com/rhyzome/rhyzome/core/project"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func TestProjects(t *testing.T) {
	c := cloudtest.New(t)
	s := project.New(c.Store, cloudtest.Now, cloudtest.NewID)
	made, err := s.Create(t.Context(), core.New{Name: "alice", DisplayName: "Alice", Labels: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"alice", made.ID} {
		if got, err := s.Get(t.Context(), ref); err != nil || got.ID != made.ID || got.DisplayName != "Alice" || got.Generation != 1 || got.Labels["a"] != "b" {
			t.Errorf("Get(%s) = %+v, %v", ref, got, err)
		}
	}
	if _, err := s.Create(t.Context(), core.New{Name: "alice"}); fault.ReasonOf(err) != fault.NameTaken {
		t.Errorf("second alice: %v, want name_taken", err)
	}
	if _, err := s.Create(t.Context(), core.New{Name: "Alice"}); fault.ReasonOf(err) != fault.InvalidField {
		t.Errorf("capital: %v, want invalid_field", err)
	}
	if _, err := s.Create(t.Context(), core.New{Name: "bob"}); err != nil {
		t.Fatal(err)
	}
	if rows, next, err := s.List(t.Context(), core.Page{Limit: 1}); err != nil || len(rows) != 1 || rows[0].Name != "alice" || next != made.ID {
		t.Errorf("first page = %+v, %q, %v", rows, next, err)
	}
	if rows, next, err := s.List(t.Context(), core.Page{After: made.ID}); err != nil || len(rows) != 1 || rows[0].Name != "bob" || next != "" {
		t.Errorf("second page = %+v, %q, %v", rows, next, err)
	}
}

func TestDeleteProject(t *testing.T) {
	c := cloudtest.New(t)
	s := project.New(c.Store, cloudtest.Now, cloudtest.NewID)
	p := c.AddProject("alice")
	image := c.AddImage(p, "debian", "raw")
	if err := s.Delete(t.Context(), "alice"); fault.ReasonOf(err) != fault.HasChildren || !strings.Contains(err.Error(), "image debian") {
		t.Errorf("Delete = %v, want has_children naming the image", err)
	}
	c.Update(func(tx core.Tx) error { return tx.Images().Delete(image.ID) })
	if err := s.Delete(t.Context(), p.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "alice"); fault.ReasonOf(err) != fault.UnknownResource {
		t.Errorf("second Delete = %v, want unknown_resource", err)
	}
	if got := c.Events(); strings.Join(got, " ") != "project.deleted" {
		t.Errorf("events = %v", got)
	}
}
