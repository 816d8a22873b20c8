// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"net/http"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func (a *api) places() {
	a.hosts()
	a.routers()
	a.fabrics()
}

func (a *api) hosts() {
	const tag, all, one = "hosts", "/v1/hosts", "/v1/hosts/{host}"

	add(a, route{
		method: http.MethodGet, path: all, id: "listHosts", tag: tag, title: "List hosts", status: http.StatusOK,
	}, func(ctx context.Context, in Paging) (list[core.Host], error) {
		return page(a.Places.ListHosts(ctx, in.page()))
	})

	add(a, route{
		method: http.MethodGet, path: one, id: "getHost", tag: tag, title: "Get a host", status: http.StatusOK,
	}, func(ctx context.Context, in inHost) (core.Host, error) {
		return a.Places.GetHost(ctx, in.Host)
	})

	add(a, route{
		method: http.MethodPost, path: one + ":cordon", id: "cordonHost", tag: tag, title: "Keep new instances away from a host",
		status: http.StatusOK,
	}, func(ctx context.Context, in inHost) (core.Host, error) {
		return a.Places.CordonHost(ctx, in.Host, true)
	})

	add(a, route{
		method: http.MethodPost, path: one + ":uncordon", id: "uncordonHost", tag: tag, title: "Let new instances come to a host",
		status: http.StatusOK,
	}, func(ctx context.Context, in inHost) (core.Host, error) {
		return a.Places.CordonHost(ctx, in.Host, false)
	})
}

func (a *api) routers() {
	const tag = "routers"

	add(a, route{
		method: http.MethodGet, path: "/v1/routers", id: "listRouters", tag: tag, title: "List routers", status: http.StatusOK,
	}, func(ctx context.Context, in Paging) (list[core.Router], error) {
		return page(a.Places.ListRouters(ctx, in.page()))
	})

	add(a, route{
		method: http.MethodGet, path: "/v1/routers/{router}", id: "getRouter", tag: tag, title: "Get a router", status: http.StatusOK,
	}, func(ctx context.Context, in inRouter) (core.Router, error) {
		return a.Places.GetRouter(ctx, in.Router)
	})
}

func (a *api) fabrics() {
	const tag, all, one = "fabrics", "/v1/fabrics", "/v1/fabrics/{fabric}"

	add(a, route{
		method: http.MethodPost, path: all, id: "createFabric", tag: tag, title: "Create a fabric",
		status: http.StatusCreated, faults: []fault.Reason{fault.NameTaken},
	}, func(ctx context.Context, in newFabric) (core.Fabric, error) {
		return a.Places.CreateFabric(ctx, in.New, in.Spec)
	})

	add(a, route{
		method: http.MethodGet, path: all, id: "listFabrics", tag: tag, title: "List fabrics", status: http.StatusOK,
	}, func(ctx context.Context, in Paging) (list[core.Fabric], error) {
		return page(a.Places.ListFabrics(ctx, in.page()))
	})

	add(a, route{
		method: http.MethodGet, path: one, id: "getFabric", tag: tag, title: "Get a fabric", status: http.StatusOK,
	}, func(ctx context.Context, in inFabric) (core.Fabric, error) {
		return a.Places.GetFabric(ctx, in.Fabric)
	})

	add(a, route{
		method: http.MethodDelete, path: one, id: "deleteFabric", tag: tag, title: "Delete a fabric that no network uses",
		status: http.StatusNoContent, faults: []fault.Reason{fault.HasChildren},
	}, func(ctx context.Context, in inFabric) (nothing, error) {
		return nothing{}, a.Places.DeleteFabric(ctx, in.Fabric)
	})
}

type inHost struct {
	Host string `path:"host" json:"-" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$" description:"Id or name of the host."`
}

type inRouter struct {
	Router string `path:"router" json:"-" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$" description:"Id or name of the router."`
}

type inFabric struct {
	Fabric string `path:"fabric" json:"-" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$" description:"Id or name of the fabric."`
}

type newFabric struct {
	core.New
	Spec core.FabricSpec `json:"spec"`
}
