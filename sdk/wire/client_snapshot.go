// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// ApplySnapshot makes the snapshot as spec says, or begins to: then its phase is progressing.
func (c *Client) ApplySnapshot(ctx context.Context, fence uint64, spec provider.SnapshotSpec) (provider.Snapshot, error) {
	resp, err := call(ctx, c.snapshots.ApplySnapshot, &pb.ApplySnapshotRequest{
		Command: CommandToProto(fence, spec.Tag), Spec: SnapshotSpecToProto(spec),
	})
	return convert(resp.GetSnapshot(), err, SnapshotFromProto)
}

// GetSnapshot reads the backend; fault.NoSuchObject if there is nothing.
func (c *Client) GetSnapshot(ctx context.Context, id string) (provider.Snapshot, error) {
	resp, err := call(ctx, c.snapshots.GetSnapshot, &pb.GetSnapshotRequest{Id: id, BackendHandle: provider.HandleFrom(ctx)})
	return convert(resp.GetSnapshot(), err, SnapshotFromProto)
}

// DeleteSnapshot removes the snapshot, or begins to: then it is not gone yet, and what is observed is returned.
func (c *Client) DeleteSnapshot(ctx context.Context, fence uint64, tag provider.Tag) (gone bool, observed provider.Observed, err error) {
	resp, err := call(ctx, c.snapshots.DeleteSnapshot, &pb.DeleteSnapshotRequest{Command: CommandToProto(fence, tag)})
	return deleted(resp.GetObserved(), err)
}

// ListSnapshots returns every snapshot with our tag.
func (c *Client) ListSnapshots(ctx context.Context) ([]provider.Snapshot, error) {
	return collect(ctx, c.snapshots.ListSnapshots, &pb.ListSnapshotsRequest{},
		func(m *pb.ListSnapshotsResponse) (provider.Snapshot, error) {
			return SnapshotFromProto(m.GetSnapshot())
		})
}

// RevertSnapshot puts back what the snapshot's instance or volume held, unless operationID did so already, or begins to:
// then the snapshot is progressing.
func (c *Client) RevertSnapshot(ctx context.Context, fence uint64, id, operationID string) (provider.Snapshot, error) {
	resp, err := call(ctx, c.snapshots.RevertSnapshot, &pb.RevertSnapshotRequest{
		Command: CommandToProto(fence, provider.Tag{ID: id, BackendHandle: provider.HandleFrom(ctx)}), OperationId: operationID,
	})
	return convert(resp.GetSnapshot(), err, SnapshotFromProto)
}
