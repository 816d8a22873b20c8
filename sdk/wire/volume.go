// SPDX-License-Identifier: Apache-2.0

package wire

import (
	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// VolumeSpecToProto converts all but the tag, which travels as a Command.
func VolumeSpecToProto(s provider.VolumeSpec) *pb.VolumeSpec {
	out := &pb.VolumeSpec{
		Project: s.Project, Name: s.Name, PoolId: s.PoolID, SizeBytes: s.SizeBytes, InstanceId: s.InstanceID,
	}
	if s.Image != nil {
		out.Image = imageRefToProto(*s.Image)
	}
	return out
}

// VolumeSpecFromProto is the inverse of VolumeSpecToProto and CommandToProto.
func VolumeSpecFromProto(c *pb.Command, s *pb.VolumeSpec) (provider.VolumeSpec, error) {
	out := provider.VolumeSpec{
		Tag:     CommandFromProto(c),
		Project: s.GetProject(), Name: s.GetName(), PoolID: s.GetPoolId(), SizeBytes: s.GetSizeBytes(), InstanceID: s.GetInstanceId(),
	}
	if s.GetImage() != nil {
		image := imageRefFromProto(s.GetImage())
		out.Image = &image
	}
	return out, nil
}

// VolumeToProto converts what is reported of a volume.
func VolumeToProto(v provider.Volume) *pb.Volume {
	return &pb.Volume{
		Observed: ObservedToProto(v.Observed), PoolId: v.PoolID, SizeBytes: v.SizeBytes, InstanceId: v.InstanceID,
	}
}

// VolumeFromProto is the inverse of VolumeToProto.
func VolumeFromProto(v *pb.Volume) (provider.Volume, error) {
	return provider.Volume{
		Observed: ObservedFromProto(v.GetObserved()), PoolID: v.GetPoolId(), SizeBytes: v.GetSizeBytes(), InstanceID: v.GetInstanceId(),
	}, nil
}

// PoolToProto converts a place where volumes lie.
func PoolToProto(p provider.Pool) *pb.Pool {
	return &pb.Pool{Id: p.ID, Name: p.Name, HostIds: p.HostIDs, CapacityBytes: p.CapacityBytes, Labels: p.Labels}
}

// PoolFromProto is the inverse of PoolToProto.
func PoolFromProto(p *pb.Pool) (provider.Pool, error) {
	return provider.Pool{
		ID: p.GetId(), Name: p.GetName(), HostIDs: p.GetHostIds(), CapacityBytes: p.GetCapacityBytes(), Labels: p.GetLabels(),
	}, nil
}
