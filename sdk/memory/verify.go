// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"fmt"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

// drifts collects the fields that differ.
type drifts []provider.Drift

func (d *drifts) compare(field string, want, got any) {
	w, g := fmt.Sprint(want), fmt.Sprint(got)
	if w != g {
		*d = append(*d, provider.Drift{Field: field, Want: w, Got: g})
	}
}

// made tells that an object was made to its end: half of one differs as a whole.
func (d *drifts) made(is bool) {
	if !is {
		*d = append(*d, provider.Drift{Want: "made", Got: "half made"})
	}
}

// Verify implements provider.Verifier. Of a pretended object, the spec is nearly all that there is.
func (c common) Verify(ctx context.Context, spec provider.AnySpec) ([]provider.Drift, error) {
	if err := c.b.begin(ctx, "Verify", nil).at("", 0); err != nil {
		return nil, err
	}
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	d := &c.b.data
	switch {
	case spec.Instance != nil:
		return verify(provider.KindInstance, d.Instances, *spec.Instance, spec.Instance.ID, instance.verify)
	case spec.Network != nil:
		return verify(provider.KindNetwork, d.Networks, *spec.Network, spec.Network.ID, network.verify)
	case spec.Port != nil:
		return verify(provider.KindPort, d.Ports, *spec.Port, spec.Port.ID, port.verify)
	case spec.Peer != nil:
		return verify(provider.KindPeer, d.Peers, *spec.Peer, spec.Peer.ID, peer.verify)
	case spec.Forward != nil:
		return verify(provider.KindForward, d.Forwards, *spec.Forward, spec.Forward.ID, forward.verify)
	case spec.Volume != nil:
		return verify(provider.KindVolume, d.Volumes, *spec.Volume, spec.Volume.ID, volume.verify)
	default:
		return verify(provider.KindSnapshot, d.Snapshots, *spec.Snapshot, spec.Snapshot.ID, snapshot.verify)
	}
}

func verify[R, S any](kind provider.Kind, records map[string]R, spec S, id string, compare func(R, S) drifts) ([]provider.Drift, error) {
	record, ok := records[id]
	if !ok {
		return nil, missing(kind, id)
	}
	return compare(record, spec), nil
}

func (i instance) verify(s provider.InstanceSpec) (d drifts) {
	d.made(i.Made)
	d.compare("/host_id", s.HostID, i.host())
	d.compare("/kind", s.Kind, i.Spec.Kind)
	d.compare("/vcpus", s.VCPUs, i.Spec.VCPUs)
	d.compare("/memory_bytes", s.MemoryBytes, i.Spec.MemoryBytes)
	d.compare("/image/sha256", s.Image.SHA256, i.Spec.Image.SHA256)
	d.compare("/disk_bytes", s.DiskBytes, i.Spec.DiskBytes)
	d.compare("/command_line", s.CommandLine, i.Spec.CommandLine)
	d.compare("/power", s.Power, i.Power)
	d.compare("/nics", s.NICs, i.Spec.NICs)
	return d
}

func (n network) verify(s provider.NetworkSpec) (d drifts) {
	d.made(n.Made)
	d.compare("/router_id", s.RouterID, n.Spec.RouterID)
	d.compare("/fabric", s.Fabric, n.Spec.Fabric)
	d.compare("/segment_id", s.SegmentID, n.Spec.SegmentID)
	d.compare("/subnets", s.Subnets, n.Spec.Subnets)
	d.compare("/domain", s.Domain, n.Spec.Domain)
	d.compare("/egress", s.Egress, n.Spec.Egress)
	d.compare("/mtu", s.MTU, n.Spec.MTU)
	return d
}

func (p port) verify(s provider.PortSpec) (d drifts) {
	d.made(p.Made)
	d.compare("/network_id", s.NetworkID, p.Spec.NetworkID)
	d.compare("/mac", s.MAC, p.Spec.MAC)
	d.compare("/addresses", s.Addresses, p.Spec.Addresses)
	d.compare("/hostname", s.Hostname, p.Spec.Hostname)
	return d
}

func (p peer) verify(s provider.PeerSpec) (d drifts) {
	d.made(p.Made)
	d.compare("/network_id", s.NetworkID, p.Spec.NetworkID)
	d.compare("/public_key", s.PublicKey, p.Spec.PublicKey)
	d.compare("/addresses", s.Addresses, p.Spec.Addresses)
	return d
}

func (f forward) verify(s provider.ForwardSpec) (d drifts) {
	d.made(f.Made)
	d.compare("/network_id", s.NetworkID, f.Spec.NetworkID)
	d.compare("/protocol", s.Protocol, f.Spec.Protocol)
	d.compare("/port_min", s.PortMin, f.Spec.PortMin)
	d.compare("/port_max", s.PortMax, f.Spec.PortMax)
	d.compare("/target_address", s.TargetAddress, f.Spec.TargetAddress)
	d.compare("/target_port", s.TargetPort, f.Spec.TargetPort)
	return d
}

func (v volume) verify(s provider.VolumeSpec) (d drifts) {
	d.made(v.Made)
	d.compare("/pool_id", s.PoolID, v.Spec.PoolID)
	d.compare("/size_bytes", s.SizeBytes, v.Size)
	d.compare("/instance_id", s.InstanceID, v.Attached)
	return d
}

func (s snapshot) verify(spec provider.SnapshotSpec) (d drifts) {
	d.made(s.Made)
	d.compare("/instance_id", spec.InstanceID, s.Spec.InstanceID)
	d.compare("/volume_id", spec.VolumeID, s.Spec.VolumeID)
	d.compare("/memory", spec.Memory, s.Spec.Memory)
	return d
}
