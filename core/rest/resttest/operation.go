// SPDX-License-Identifier: Apache-2.0

package resttest

import (
	"context"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

type operations struct{ *Cloud }

// accept begins an operation of two steps.
func (c *Cloud) accept(kind, project string, ref core.ResourceRef) core.Operation {
	c.changes++
	op := core.Operation{
		ID: c.newID(), Project: project, Kind: kind, Resource: ref, State: core.OperationPending,
		Steps: []core.OperationStep{
			{Name: "prepare", State: core.StepPending}, {Name: "carry out", State: core.StepPending},
		},
		CreatedAt: c.now(), UpdatedAt: c.now(),
	}
	c.operations = append(c.operations, op)
	c.emit("operation.created", project, ref)
	return op
}

// open returns the operation that works on a resource.
func (c *Cloud) open(resource string) *core.Operation {
	for i := range c.operations {
		if op := &c.operations[i]; op.Resource.ID == resource && !op.State.Ended() {
			return op
		}
	}
	return nil
}

// advance takes an operation one step further.
func (c *Cloud) advance(op *core.Operation) {
	switch {
	case op.State.Ended():
		return
	case named(op.Resource.Name, "stuck"):
		op.State, op.WaitingFor = core.OperationWaiting, "provider site is not attached"
	case op.State == core.OperationPending:
		op.State, op.Percent, op.Steps[0].State = core.OperationRunning, 10, core.StepRunning
	case op.Steps[0].State == core.StepRunning:
		op.Percent, op.Steps[0].State, op.Steps[1].State = 50, core.StepDone, core.StepRunning
		op.Steps[1].Detail = "copying the image"
	case named(op.Resource.Name, "doomed"):
		op.Steps[1].State = core.StepFailed
		op.Error = &core.Problem{Code: string(fault.BackendRefused), Detail: "the backend has no room for it"}
		c.end(op, core.OperationFailed)
		return
	default:
		op.Percent, op.Steps[1].State = 100, core.StepDone
		c.end(op, core.OperationSucceeded)
		return
	}
	c.changes++
	op.UpdatedAt = c.now()
	c.emit("operation.updated", op.Project, op.Resource)
}

func (c *Cloud) end(op *core.Operation, state core.OperationState) {
	c.changes++
	at := c.now()
	op.State, op.WaitingFor, op.UpdatedAt, op.EndedAt = state, "", at, &at
	c.settle(*op)
	c.emit("operation.updated", op.Project, op.Resource)
}

// settle gives the resource of an operation that ended its state.
func (c *Cloud) settle(op core.Operation) {
	good := op.State == core.OperationSucceeded
	if i, err := c.instances.find(op.Project, op.Resource.ID); err == nil {
		settleInstance(i, op.Kind, good)
	}
	if n, err := c.networks.find(op.Project, op.Resource.ID); err == nil {
		n.Status.State, n.Status.Operation = core.NetworkError, ""
		if good {
			n.Status.State, n.Status.WireGuard.PublicKey = core.NetworkReady, "bmV0d29yayBwdWJsaWMga2V5IG9mIDMyIGJ5dGVzISE="
		}
	}
	for i := range c.peers.rows {
		if p := &c.peers.rows[i]; p.ID == op.Resource.ID && good {
			p.Status.State, p.Status.Operation = core.PeerReady, ""
		}
	}
	if good && (op.Kind == "instance.delete" || op.Kind == "network.delete" || op.Kind == "peer.delete") {
		c.instances.remove(op.Resource.ID)
		c.networks.remove(op.Resource.ID)
		c.peers.remove(op.Resource.ID)
	}
}

func settleInstance(i *core.Instance, kind string, good bool) {
	i.Status.Operation = ""
	switch {
	case !good:
		i.Status.State = core.InstanceError
	case kind == "instance.stop":
		i.Status.State = core.InstanceStopped
	default:
		i.Status.State = core.InstanceRunning
	}
}

func (c operations) List(_ context.Context, project string, page core.Page) ([]core.Operation, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if project != "" {
		p, err := c.projects.find("", project)
		if err != nil {
			return nil, "", err
		}
		project = p.ID
	}
	var all []core.Operation
	for _, op := range c.operations {
		if op.ID > page.After && (project == "" || op.Project == project) {
			all = append(all, op)
		}
	}
	if page.Limit > 0 && len(all) > page.Limit {
		return all[:page.Limit], all[page.Limit-1].ID, nil
	}
	return all, "", nil
}

func (c operations) Get(_ context.Context, operation string) (core.Operation, error) {
	return c.change(operation, func(op *core.Operation) error {
		c.advance(op)
		return nil
	})
}

func (c operations) Cancel(_ context.Context, operation string) (core.Operation, error) {
	return c.finish(operation, core.OperationCanceled)
}

func (c operations) Abandon(_ context.Context, operation string) (core.Operation, error) {
	return c.finish(operation, core.OperationAbandoned)
}

func (c operations) finish(operation string, state core.OperationState) (core.Operation, error) {
	return c.change(operation, func(op *core.Operation) error {
		if op.State.Ended() {
			return fault.New(fault.BadState, "the operation has ended: %s", op.State)
		}
		if state == core.OperationAbandoned {
			op.Leftovers = []string{"what " + op.Kind + " made so far at provider site"}
		}
		c.end(op, state)
		return nil
	})
}

func (c operations) change(operation string, f func(*core.Operation) error) (core.Operation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.operations {
		if op := &c.operations[i]; op.ID == operation {
			err := f(op)
			return *op, err
		}
	}
	return core.Operation{}, fault.New(fault.UnknownResource, "there is no operation %q", operation)
}
