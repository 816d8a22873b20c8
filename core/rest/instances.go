// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"net/http"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func (a *api) instances() {
	const tag, all = "instances", "/v1/projects/{project}/instances"
	const one = all + "/{instance}"

	add(a, route{
		method: http.MethodPost, path: all, id: "createInstance", tag: tag, title: "Create an instance",
		about:  "Its host, ports and addresses are decided at once; it runs when the operation has succeeded.",
		status: http.StatusAccepted,
		faults: []fault.Reason{fault.NameTaken, fault.ImageNotReady, fault.SubnetFull, fault.NoHost, fault.BadState, fault.NoCapability},
	}, func(ctx context.Context, in newInstance) (accepted[core.Instance], error) {
		return accept(a.Instances.Create(ctx, in.Project, in.New, in.Spec))
	})

	add(a, route{
		method: http.MethodGet, path: all, id: "listInstances", tag: tag, title: "List a project's instances", status: http.StatusOK,
	}, func(ctx context.Context, in inProjectPage) (list[core.Instance], error) {
		return page(a.Instances.List(ctx, in.Project, in.page()))
	})

	add(a, route{
		method: http.MethodGet, path: one, id: "getInstance", tag: tag, title: "Get an instance", status: http.StatusOK,
	}, func(ctx context.Context, in inInstance) (core.Instance, error) {
		return a.Instances.Get(ctx, in.Project, in.Instance)
	})

	add(a, route{
		method: http.MethodDelete, path: one, id: "deleteInstance", tag: tag, title: "Delete an instance, its disk and its ports",
		status: http.StatusAccepted,
	}, func(ctx context.Context, in inInstance) (started, error) {
		return start(a.Instances.Delete(ctx, in.Project, in.Instance))
	})

	a.powers(tag, one)
}

func (a *api) powers(tag, one string) {
	faults := []fault.Reason{fault.BadState, fault.NoCapability}

	add(a, route{
		method: http.MethodPost, path: one + ":start", id: "startInstance", tag: tag, title: "Start an instance",
		status: http.StatusAccepted, faults: faults,
	}, func(ctx context.Context, in inInstance) (started, error) {
		return start(a.Instances.Start(ctx, in.Project, in.Instance))
	})

	add(a, route{
		method: http.MethodPost, path: one + ":stop", id: "stopInstance", tag: tag, title: "Stop an instance",
		about: "It stays stopped.", status: http.StatusAccepted, faults: faults,
	}, func(ctx context.Context, in inInstance) (started, error) {
		return start(a.Instances.Stop(ctx, in.Project, in.Instance))
	})

	add(a, route{
		method: http.MethodPost, path: one + ":reboot", id: "rebootInstance", tag: tag, title: "Restart a running instance",
		status: http.StatusAccepted, faults: faults, optionalBody: true,
	}, func(ctx context.Context, in reboot) (started, error) {
		return start(a.Instances.Reboot(ctx, in.Project, in.Instance, in.Hard))
	})
}

type newInstance struct {
	InProject
	core.New
	Spec core.InstanceSpec `json:"spec"`
}

type inInstance struct {
	InProject
	Instance string `path:"instance" json:"-" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$" description:"Id or name of the instance."`
}

type reboot struct {
	inInstance
	Hard bool `json:"hard,omitempty" description:"Reset it, without asking the guest."`
}
