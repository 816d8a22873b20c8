// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"net/http"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func (a *api) operations() {
	const tag, all, one = "operations", "/v1/operations", "/v1/operations/{operation}"

	add(a, route{
		method: http.MethodGet, path: all, id: "listOperations", tag: tag, title: "List operations", status: http.StatusOK,
		faults: []fault.Reason{fault.UnknownResource},
	}, func(ctx context.Context, in operationPage) (list[core.Operation], error) {
		return page(a.Operations.List(ctx, in.Project, in.page()))
	})

	add(a, route{
		method: http.MethodGet, path: "/v1/projects/{project}/operations", id: "listProjectOperations", tag: tag,
		title: "List a project's operations", status: http.StatusOK,
	}, func(ctx context.Context, in inProjectPage) (list[core.Operation], error) {
		return page(a.Operations.List(ctx, in.Project, in.page()))
	})

	add(a, route{
		method: http.MethodGet, path: one, id: "getOperation", tag: tag, title: "Get an operation", status: http.StatusOK,
	}, func(ctx context.Context, in inOperation) (core.Operation, error) {
		return a.Operations.Get(ctx, in.Operation)
	})

	add(a, route{
		method: http.MethodPost, path: one + ":cancel", id: "cancelOperation", tag: tag, title: "Undo what an operation did so far",
		about:  "It ends in state canceled when everything is undone.",
		status: http.StatusOK, faults: []fault.Reason{fault.BadState},
	}, func(ctx context.Context, in inOperation) (core.Operation, error) {
		return a.Operations.Cancel(ctx, in.Operation)
	})

	add(a, route{
		method: http.MethodPost, path: one + ":abandon", id: "abandonOperation", tag: tag, title: "Give an operation up",
		about:  "Its leftovers say what stays behind.",
		status: http.StatusOK, faults: []fault.Reason{fault.BadState},
	}, func(ctx context.Context, in inOperation) (core.Operation, error) {
		return a.Operations.Abandon(ctx, in.Operation)
	})
}

type inOperation struct {
	Operation string `path:"operation" json:"-" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$" description:"Id of the operation."`
}

type operationPage struct {
	Paging
	ofProject
}

// ofProject narrows what is not below a project.
type ofProject struct {
	Project string `query:"project" json:"-" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$" description:"Id or name; all projects if left out."`
}
