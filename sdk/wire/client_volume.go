// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// ApplyVolume makes the volume as spec says, or begins to: then its phase is progressing.
func (c *Client) ApplyVolume(ctx context.Context, fence uint64, spec provider.VolumeSpec) (provider.Volume, error) {
	resp, err := call(ctx, c.volumes.ApplyVolume, &pb.ApplyVolumeRequest{
		Command: CommandToProto(fence, spec.Tag), Spec: VolumeSpecToProto(spec),
	})
	return convert(resp.GetVolume(), err, VolumeFromProto)
}

// GetVolume reads the backend; fault.NoSuchObject if there is nothing.
func (c *Client) GetVolume(ctx context.Context, id string) (provider.Volume, error) {
	resp, err := call(ctx, c.volumes.GetVolume, &pb.GetVolumeRequest{Id: id, BackendHandle: provider.HandleFrom(ctx)})
	return convert(resp.GetVolume(), err, VolumeFromProto)
}

// DeleteVolume removes the volume, or begins to: then it is not gone yet, and what is observed is returned.
func (c *Client) DeleteVolume(ctx context.Context, fence uint64, tag provider.Tag) (gone bool, observed provider.Observed, err error) {
	resp, err := call(ctx, c.volumes.DeleteVolume, &pb.DeleteVolumeRequest{Command: CommandToProto(fence, tag)})
	return deleted(resp.GetObserved(), err)
}

// ListVolumes returns every volume with our tag.
func (c *Client) ListVolumes(ctx context.Context) ([]provider.Volume, error) {
	return collect(ctx, c.volumes.ListVolumes, &pb.ListVolumesRequest{},
		func(m *pb.ListVolumesResponse) (provider.Volume, error) { return VolumeFromProto(m.GetVolume()) })
}

// ListPools returns the places where volumes lie.
func (c *Client) ListPools(ctx context.Context) ([]provider.Pool, error) {
	resp, err := call(ctx, c.volumes.ListPools, &pb.ListPoolsRequest{})
	if err != nil {
		return nil, err
	}
	return all(resp.GetPools(), PoolFromProto)
}
