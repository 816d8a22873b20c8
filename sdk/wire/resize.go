// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// GetInstanceSize returns what an instance has now, and when it is started the next time.
func (c *Client) GetInstanceSize(ctx context.Context, id string) (now, next provider.InstanceSize, err error) {
	resp, err := call(ctx, c.resize.GetInstanceSize, &pb.GetInstanceSizeRequest{Id: id, BackendHandle: provider.HandleFrom(ctx)})
	if err != nil {
		return now, next, err
	}
	return InstanceSizeFromProto(resp.GetNow()), InstanceSizeFromProto(resp.GetNext()), nil
}

// InstanceSizeToProto converts how large an instance is.
func InstanceSizeToProto(s provider.InstanceSize) *pb.InstanceSize {
	return &pb.InstanceSize{Vcpus: unsigned(s.VCPUs), MemoryBytes: s.MemoryBytes, DiskBytes: s.DiskBytes}
}

// InstanceSizeFromProto is the inverse of InstanceSizeToProto.
func InstanceSizeFromProto(s *pb.InstanceSize) provider.InstanceSize {
	return provider.InstanceSize{VCPUs: int(s.GetVcpus()), MemoryBytes: s.GetMemoryBytes(), DiskBytes: s.GetDiskBytes()}
}
