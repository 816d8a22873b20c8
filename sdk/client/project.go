// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"iter"
)

// Project owns resources: the boundary of visibility.
type Project struct {
	Meta
}

// NewProject asks for a project.
type NewProject struct {
	Name        string            `json:"name"` // DNS label, fixed after creation
	DisplayName string            `json:"display_name,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
}

// Projects is the client of /v1/projects.
type Projects struct{ t *transport }

// Create makes a project; fault.NameTaken if there is one with the name.
func (s *Projects) Create(ctx context.Context, project NewProject) (Project, error) {
	return create[Project](ctx, s.t, project, "projects")
}

// List returns one page and the cursor of the next.
func (s *Projects) List(ctx context.Context, page Page) ([]Project, string, error) {
	return getPage[Project](ctx, s.t, "/v1/projects", nil, page)
}

// All walks through every project.
func (s *Projects) All(ctx context.Context) iter.Seq2[Project, error] {
	return all(func(p Page) ([]Project, string, error) { return s.List(ctx, p) })
}

// Get returns a project; fault.UnknownResource if there is none.
func (s *Projects) Get(ctx context.Context, project string) (Project, error) {
	return get[Project](ctx, s.t, "projects", project)
}

// Delete removes an empty project; fault.HasChildren while it owns anything.
func (s *Projects) Delete(ctx context.Context, project string) error {
	return remove(ctx, s.t, "projects", project)
}
