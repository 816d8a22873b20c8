// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// ApplyInstance makes the instance as spec says, or begins to: then its phase is progressing, and Watch and GetInstance
// tell the rest.
func (c *Client) ApplyInstance(ctx context.Context, fence uint64, spec provider.InstanceSpec) (provider.Instance, error) {
	resp, err := call(ctx, c.instances.ApplyInstance, &pb.ApplyInstanceRequest{
		Command: CommandToProto(fence, spec.Tag), Spec: InstanceSpecToProto(spec),
	})
	return convert(resp.GetInstance(), err, InstanceFromProto)
}

// GetInstance reads the backend; fault.NoSuchObject if there is nothing.
func (c *Client) GetInstance(ctx context.Context, id string) (provider.Instance, error) {
	resp, err := call(ctx, c.instances.GetInstance, &pb.GetInstanceRequest{Id: id, BackendHandle: provider.HandleFrom(ctx)})
	return convert(resp.GetInstance(), err, InstanceFromProto)
}

// DeleteInstance removes the instance, or begins to: then it is not gone yet, and what is observed is returned.
func (c *Client) DeleteInstance(ctx context.Context, fence uint64, tag provider.Tag) (gone bool, observed provider.Observed, err error) {
	resp, err := call(ctx, c.instances.DeleteInstance, &pb.DeleteInstanceRequest{Command: CommandToProto(fence, tag)})
	return deleted(resp.GetObserved(), err)
}

// ListInstances returns every instance with our tag.
func (c *Client) ListInstances(ctx context.Context) ([]provider.Instance, error) {
	return collect(ctx, c.instances.ListInstances, &pb.ListInstancesRequest{},
		func(m *pb.ListInstancesResponse) (provider.Instance, error) {
			return InstanceFromProto(m.GetInstance())
		})
}

// ListHosts returns the machines that run instances.
func (c *Client) ListHosts(ctx context.Context) ([]provider.Host, error) {
	resp, err := call(ctx, c.instances.ListHosts, &pb.ListHostsRequest{})
	if err != nil {
		return nil, err
	}
	return all(resp.GetHosts(), HostFromProto)
}

// RebootInstance restarts a running instance, unless operationID did so already.
func (c *Client) RebootInstance(ctx context.Context, fence uint64, id, operationID string, hard bool) (provider.Instance, error) {
	resp, err := call(ctx, c.power.RebootInstance, &pb.RebootInstanceRequest{
		Command: CommandToProto(fence, provider.Tag{ID: id, BackendHandle: provider.HandleFrom(ctx)}), OperationId: operationID, Hard: hard,
	})
	return convert(resp.GetInstance(), err, InstanceFromProto)
}
