// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"net/http"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func (a *api) networks() {
	const tag, all = "networks", "/v1/projects/{project}/networks"
	const one = all + "/{network}"

	add(a, route{
		method: http.MethodPost, path: all, id: "createNetwork", tag: tag, title: "Create a network",
		about:  "Its segment, subnets and names are decided at once; it works when the operation has succeeded.",
		status: http.StatusAccepted,
		faults: []fault.Reason{fault.NameTaken, fault.CIDROverlaps, fault.SegmentsExhausted, fault.PortsExhausted, fault.NoRouter},
	}, func(ctx context.Context, in newNetwork) (accepted[core.Network], error) {
		return accept(a.Networks.Create(ctx, in.Project, in.New, in.Spec))
	})

	add(a, route{
		method: http.MethodGet, path: all, id: "listNetworks", tag: tag, title: "List a project's networks", status: http.StatusOK,
	}, func(ctx context.Context, in inProjectPage) (list[core.Network], error) {
		return page(a.Networks.List(ctx, in.Project, in.page()))
	})

	add(a, route{
		method: http.MethodGet, path: one, id: "getNetwork", tag: tag, title: "Get a network", status: http.StatusOK,
	}, func(ctx context.Context, in InNetwork) (core.Network, error) {
		return a.Networks.Get(ctx, in.Project, in.Network)
	})

	add(a, route{
		method: http.MethodDelete, path: one, id: "deleteNetwork", tag: tag, title: "Delete a network that nothing is on",
		status: http.StatusAccepted, faults: []fault.Reason{fault.HasChildren},
	}, func(ctx context.Context, in InNetwork) (started, error) {
		return start(a.Networks.Delete(ctx, in.Project, in.Network))
	})
}

type newNetwork struct {
	InProject
	core.New
	Spec core.NetworkSpec `json:"spec,omitempty" default:"{}"`
}
