// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// ApplyNetwork makes the network as spec says, or begins to: then its phase is progressing.
func (c *Client) ApplyNetwork(ctx context.Context, fence uint64, spec provider.NetworkSpec) (provider.Network, error) {
	resp, err := call(ctx, c.networks.ApplyNetwork, &pb.ApplyNetworkRequest{
		Command: CommandToProto(fence, spec.Tag), Spec: NetworkSpecToProto(spec),
	})
	return convert(resp.GetNetwork(), err, NetworkFromProto)
}

// GetNetwork reads the backend; fault.NoSuchObject if there is nothing.
func (c *Client) GetNetwork(ctx context.Context, id string) (provider.Network, error) {
	resp, err := call(ctx, c.networks.GetNetwork, &pb.GetNetworkRequest{Id: id, BackendHandle: provider.HandleFrom(ctx)})
	return convert(resp.GetNetwork(), err, NetworkFromProto)
}

// DeleteNetwork removes the network, or begins to: then it is not gone yet, and what is observed is returned.
func (c *Client) DeleteNetwork(ctx context.Context, fence uint64, tag provider.Tag) (gone bool, observed provider.Observed, err error) {
	resp, err := call(ctx, c.networks.DeleteNetwork, &pb.DeleteNetworkRequest{Command: CommandToProto(fence, tag)})
	return deleted(resp.GetObserved(), err)
}

// ListNetworks returns every network with our tag.
func (c *Client) ListNetworks(ctx context.Context) ([]provider.Network, error) {
	return collect(ctx, c.networks.ListNetworks, &pb.ListNetworksRequest{},
		func(m *pb.ListNetworksResponse) (provider.Network, error) { return NetworkFromProto(m.GetNetwork()) })
}

// ListRouters returns the machines that carry networks.
func (c *Client) ListRouters(ctx context.Context) ([]provider.Router, error) {
	resp, err := call(ctx, c.networks.ListRouters, &pb.ListRoutersRequest{})
	if err != nil {
		return nil, err
	}
	return all(resp.GetRouters(), RouterFromProto)
}
