// SPDX-License-Identifier: Apache-2.0

package resttest

import (
	"context"
	"fmt"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

type instances struct{ *Cloud }

func (c instances) Create(_ context.Context, project string, req core.New, spec core.InstanceSpec) (core.Instance, core.Operation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.projects.find("", project)
	if err != nil {
		return core.Instance{}, core.Operation{}, err
	}
	if err := c.acceptable(p.ID, req, spec); err != nil {
		return core.Instance{}, core.Operation{}, err
	}
	host := c.hosts.rows[len(c.instances.rows)%2]
	i := core.Instance{Meta: c.meta(req), Project: p.ID, Spec: spec, Status: core.InstanceStatus{
		State: core.InstanceBuilding, Host: host.ID, HostName: host.Name,
	}}
	for _, a := range spec.Networks {
		n, err := c.networks.find(p.ID, a.Network)
		if err != nil {
			return core.Instance{}, core.Operation{}, err
		}
		i.Status.Ports = append(i.Status.Ports, c.port(n, i))
	}
	op := c.accept("instance.create", p.ID, core.ResourceRef{Kind: "instance", ID: i.ID, Name: i.Name})
	i.Status.Operation = op.ID
	c.instances.add(p.ID, i)
	return i, op, nil
}

func (c instances) acceptable(project string, req core.New, spec core.InstanceSpec) error {
	if err := checked(req); err != nil {
		return err
	}
	if err := c.instances.free(project, req.Name); err != nil {
		return err
	}
	image, err := c.images.find(project, spec.Image)
	if err != nil {
		return fault.New(fault.UnknownResource, "there is no image %q in this project", spec.Image)
	}
	if image.Status.State != core.ImageReady {
		return fault.New(fault.ImageNotReady, "the image %s has no content yet", image.Name)
	}
	return nil
}

func (c instances) port(n *core.Network, i core.Instance) core.Port {
	k := len(c.instances.rows) + 2
	return core.Port{
		ID: c.newID(), Network: n.ID, NetworkName: n.Name, Instance: i.ID, MAC: fmt.Sprintf("52:54:00:00:00:%02x", k),
		Addresses: []string{fmt.Sprintf("10.%d.0.%d", n.Status.SegmentID, k)}, DNSName: i.Name + "." + n.Status.Domain, Generation: 1,
	}
}

func (c instances) List(_ context.Context, project string, page core.Page) ([]core.Instance, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.projects.find("", project)
	if err != nil {
		return nil, "", err
	}
	return c.instances.page(p.ID, page)
}

func (c instances) Get(_ context.Context, project, instance string) (core.Instance, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i, err := c.find(project, instance)
	if err != nil {
		return core.Instance{}, err
	}
	return *i, nil
}

func (c instances) Delete(_ context.Context, project, instance string) (core.Operation, error) {
	return c.begin(project, instance, "instance.delete", func(i *core.Instance) error {
		i.Status.State = core.InstanceDeleting
		return nil
	})
}

func (c instances) Start(_ context.Context, project, instance string) (core.Operation, error) {
	return c.begin(project, instance, "instance.start", nil)
}

func (c instances) Stop(_ context.Context, project, instance string) (core.Operation, error) {
	return c.begin(project, instance, "instance.stop", nil)
}

func (c instances) Reboot(_ context.Context, project, instance string, hard bool) (core.Operation, error) {
	kind := "instance.reboot"
	if hard {
		kind = "instance.reset"
	}
	return c.begin(project, instance, kind, func(i *core.Instance) error {
		if i.Status.State != core.InstanceRunning {
			return fault.New(fault.BadState, "the instance %s is not running", i.Name)
		}
		return nil
	})
}

// begin accepts an operation on an instance that none works on.
func (c instances) begin(project, instance, kind string, check func(*core.Instance) error) (core.Operation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i, err := c.find(project, instance)
	if err != nil {
		return core.Operation{}, err
	}
	if other := c.open(i.ID); other != nil {
		return core.Operation{}, fault.New(fault.ResourceBusy, "%s works on the instance %s", other.Kind, i.Name).With("operation", other.ID)
	}
	if check != nil {
		if err := check(i); err != nil {
			return core.Operation{}, err
		}
	}
	return c.accept(kind, i.Project, core.ResourceRef{Kind: "instance", ID: i.ID, Name: i.Name}), nil
}

func (c instances) find(project, instance string) (*core.Instance, error) {
	p, err := c.projects.find("", project)
	if err != nil {
		return nil, err
	}
	return c.instances.find(p.ID, instance)
}
