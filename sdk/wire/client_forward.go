// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// ApplyForward makes the forward as spec says, or begins to: then its phase is progressing.
func (c *Client) ApplyForward(ctx context.Context, fence uint64, spec provider.ForwardSpec) (provider.Forward, error) {
	resp, err := call(ctx, c.forwards.ApplyForward, &pb.ApplyForwardRequest{
		Command: CommandToProto(fence, spec.Tag), Spec: ForwardSpecToProto(spec),
	})
	return convert(resp.GetForward(), err, ForwardFromProto)
}

// GetForward reads the backend; fault.NoSuchObject if there is nothing.
func (c *Client) GetForward(ctx context.Context, id string) (provider.Forward, error) {
	resp, err := call(ctx, c.forwards.GetForward, &pb.GetForwardRequest{Id: id, BackendHandle: provider.HandleFrom(ctx)})
	return convert(resp.GetForward(), err, ForwardFromProto)
}

// DeleteForward removes the forward, or begins to: then it is not gone yet, and what is observed is returned.
func (c *Client) DeleteForward(ctx context.Context, fence uint64, tag provider.Tag) (gone bool, observed provider.Observed, err error) {
	resp, err := call(ctx, c.forwards.DeleteForward, &pb.DeleteForwardRequest{Command: CommandToProto(fence, tag)})
	return deleted(resp.GetObserved(), err)
}

// ListForwards returns every forward with our tag.
func (c *Client) ListForwards(ctx context.Context) ([]provider.Forward, error) {
	return collect(ctx, c.forwards.ListForwards, &pb.ListForwardsRequest{},
		func(m *pb.ListForwardsResponse) (provider.Forward, error) { return ForwardFromProto(m.GetForward()) })
}
