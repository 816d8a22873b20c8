// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// ApplyPort makes the port as spec says, or begins to: then its phase is progressing.
func (c *Client) ApplyPort(ctx context.Context, fence uint64, spec provider.PortSpec) (provider.Port, error) {
	resp, err := call(ctx, c.ports.ApplyPort, &pb.ApplyPortRequest{
		Command: CommandToProto(fence, spec.Tag), Spec: PortSpecToProto(spec),
	})
	return convert(resp.GetPort(), err, PortFromProto)
}

// GetPort reads the backend; fault.NoSuchObject if there is nothing.
func (c *Client) GetPort(ctx context.Context, id string) (provider.Port, error) {
	resp, err := call(ctx, c.ports.GetPort, &pb.GetPortRequest{Id: id, BackendHandle: provider.HandleFrom(ctx)})
	return convert(resp.GetPort(), err, PortFromProto)
}

// DeletePort removes the port, or begins to: then it is not gone yet, and what is observed is returned.
func (c *Client) DeletePort(ctx context.Context, fence uint64, tag provider.Tag) (gone bool, observed provider.Observed, err error) {
	resp, err := call(ctx, c.ports.DeletePort, &pb.DeletePortRequest{Command: CommandToProto(fence, tag)})
	return deleted(resp.GetObserved(), err)
}

// ListPorts returns every port with our tag.
func (c *Client) ListPorts(ctx context.Context) ([]provider.Port, error) {
	return collect(ctx, c.ports.ListPorts, &pb.ListPortsRequest{},
		func(m *pb.ListPortsResponse) (provider.Port, error) { return PortFromProto(m.GetPort()) })
}
