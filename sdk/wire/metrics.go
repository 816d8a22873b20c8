// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// GetInstanceMetrics returns what a running instance has used since it started; fault.BadState if it does not run.
func (c *Client) GetInstanceMetrics(ctx context.Context, id string) (provider.InstanceMetrics, error) {
	resp, err := call(ctx, c.metrics.GetInstanceMetrics, &pb.GetInstanceMetricsRequest{Id: id, BackendHandle: provider.HandleFrom(ctx)})
	return convert(resp.GetMetrics(), err, InstanceMetricsFromProto)
}

// InstanceMetricsToProto converts what an instance has used.
func InstanceMetricsToProto(m provider.InstanceMetrics) *pb.InstanceMetrics {
	out := &pb.InstanceMetrics{
		ObservedAt: timeToProto(m.ObservedAt), Since: timeToProto(m.Since), CpuTime: durationpb.New(m.CPUTime), MemoryBytes: m.MemoryBytes,
	}
	for _, d := range m.Disks {
		out.Disks = append(out.Disks, &pb.DiskMetrics{
			VolumeId: d.VolumeID, ReadBytes: d.ReadBytes, WrittenBytes: d.WrittenBytes, Reads: d.Reads, Writes: d.Writes,
		})
	}
	for _, n := range m.NICs {
		out.Nics = append(out.Nics, &pb.NicMetrics{
			PortId: n.PortID, ReceivedBytes: n.ReceivedBytes, SentBytes: n.SentBytes,
			ReceivedPackets: n.ReceivedPackets, SentPackets: n.SentPackets,
		})
	}
	return out
}

// InstanceMetricsFromProto is the inverse of InstanceMetricsToProto.
func InstanceMetricsFromProto(m *pb.InstanceMetrics) (provider.InstanceMetrics, error) {
	out := provider.InstanceMetrics{
		ObservedAt: timeFromProto(m.GetObservedAt()), Since: timeFromProto(m.GetSince()), CPUTime: m.GetCpuTime().AsDuration(),
		MemoryBytes: m.GetMemoryBytes(),
	}
	for _, d := range m.GetDisks() {
		out.Disks = append(out.Disks, provider.DiskMetrics{
			VolumeID: d.GetVolumeId(), ReadBytes: d.GetReadBytes(), WrittenBytes: d.GetWrittenBytes(),
			Reads: d.GetReads(), Writes: d.GetWrites(),
		})
	}
	for _, n := range m.GetNics() {
		out.NICs = append(out.NICs, provider.NICMetrics{
			PortID: n.GetPortId(), ReceivedBytes: n.GetReceivedBytes(), SentBytes: n.GetSentBytes(),
			ReceivedPackets: n.GetReceivedPackets(), SentPackets: n.GetSentPackets(),
		})
	}
	return out, nil
}
