// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"net/http"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func (a *api) projects() {
	const tag, all, one = "projects", "/v1/projects", "/v1/projects/{project}"

	add(a, route{
		method: http.MethodPost, path: all, id: "createProject", tag: tag, title: "Create a project",
		status: http.StatusCreated, faults: []fault.Reason{fault.NameTaken},
	}, func(ctx context.Context, in newProject) (core.Project, error) {
		return a.Projects.Create(ctx, in.New)
	})

	add(a, route{
		method: http.MethodGet, path: all, id: "listProjects", tag: tag, title: "List projects", status: http.StatusOK,
	}, func(ctx context.Context, in Paging) (list[core.Project], error) {
		return page(a.Projects.List(ctx, in.page()))
	})

	add(a, route{
		method: http.MethodGet, path: one, id: "getProject", tag: tag, title: "Get a project", status: http.StatusOK,
	}, func(ctx context.Context, in InProject) (core.Project, error) {
		return a.Projects.Get(ctx, in.Project)
	})

	add(a, route{
		method: http.MethodDelete, path: one, id: "deleteProject", tag: tag, title: "Delete an empty project",
		status: http.StatusNoContent, faults: []fault.Reason{fault.HasChildren},
	}, func(ctx context.Context, in InProject) (nothing, error) {
		return nothing{}, a.Projects.Delete(ctx, in.Project)
	})
}

// newProject is the body of a create request.
type newProject struct {
	core.New
}
