// SPDX-License-Identifier: Apache-2.0

package wire

import (
	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// SnapshotSpecToProto converts all but the tag, which travels as a Command.
func SnapshotSpecToProto(s provider.SnapshotSpec) *pb.SnapshotSpec {
	return &pb.SnapshotSpec{
		Project: s.Project, Name: s.Name, InstanceId: s.InstanceID, VolumeId: s.VolumeID, Memory: s.Memory,
	}
}

// SnapshotSpecFromProto is the inverse of SnapshotSpecToProto and CommandToProto.
func SnapshotSpecFromProto(c *pb.Command, s *pb.SnapshotSpec) (provider.SnapshotSpec, error) {
	return provider.SnapshotSpec{
		Tag:     CommandFromProto(c),
		Project: s.GetProject(), Name: s.GetName(), InstanceID: s.GetInstanceId(), VolumeID: s.GetVolumeId(), Memory: s.GetMemory(),
	}, nil
}

// SnapshotToProto converts what is reported of a snapshot.
func SnapshotToProto(s provider.Snapshot) *pb.Snapshot {
	return &pb.Snapshot{
		Observed: ObservedToProto(s.Observed), InstanceId: s.InstanceID, VolumeId: s.VolumeID, Memory: s.Memory,
		TakenAt: timeToProto(s.TakenAt), SizeBytes: s.SizeBytes, LastRevertOperationId: s.LastRevertOperationID,
	}
}

// SnapshotFromProto is the inverse of SnapshotToProto.
func SnapshotFromProto(s *pb.Snapshot) (provider.Snapshot, error) {
	return provider.Snapshot{
		Observed: ObservedFromProto(s.GetObserved()), InstanceID: s.GetInstanceId(), VolumeID: s.GetVolumeId(), Memory: s.GetMemory(),
		TakenAt: timeFromProto(s.GetTakenAt()), SizeBytes: s.GetSizeBytes(), LastRevertOperationID: s.GetLastRevertOperationId(),
	}, nil
}
