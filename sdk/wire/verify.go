// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Verify returns the fields in which the backend differs from a spec; fault.NoSuchObject if there is nothing to compare.
func (c *Client) Verify(ctx context.Context, spec provider.AnySpec) ([]provider.Drift, error) {
	resp, err := call(ctx, c.verify.Verify, &pb.VerifyRequest{Spec: AnySpecToProto(spec)})
	if err != nil {
		return nil, err
	}
	return all(resp.GetDrifts(), DriftFromProto)
}

// Plan tells what Apply of a spec would do now.
func (c *Client) Plan(ctx context.Context, spec provider.AnySpec) (provider.Plan, error) {
	resp, err := call(ctx, c.plan.Plan, &pb.PlanRequest{Spec: AnySpecToProto(spec)})
	return convert(resp, err, PlanFromProto)
}

// AnySpecToProto converts a spec with its tag.
func AnySpecToProto(s provider.AnySpec) *pb.AnySpec {
	switch {
	case s.Instance != nil:
		return &pb.AnySpec{Command: CommandToProto(0, s.Instance.Tag), Spec: &pb.AnySpec_Instance{Instance: InstanceSpecToProto(*s.Instance)}}
	case s.Network != nil:
		return &pb.AnySpec{Command: CommandToProto(0, s.Network.Tag), Spec: &pb.AnySpec_Network{Network: NetworkSpecToProto(*s.Network)}}
	case s.Port != nil:
		return &pb.AnySpec{Command: CommandToProto(0, s.Port.Tag), Spec: &pb.AnySpec_Port{Port: PortSpecToProto(*s.Port)}}
	case s.Peer != nil:
		return &pb.AnySpec{Command: CommandToProto(0, s.Peer.Tag), Spec: &pb.AnySpec_Peer{Peer: PeerSpecToProto(*s.Peer)}}
	case s.Forward != nil:
		return &pb.AnySpec{Command: CommandToProto(0, s.Forward.Tag), Spec: &pb.AnySpec_Forward{Forward: ForwardSpecToProto(*s.Forward)}}
	case s.Volume != nil:
		return &pb.AnySpec{Command: CommandToProto(0, s.Volume.Tag), Spec: &pb.AnySpec_Volume{Volume: VolumeSpecToProto(*s.Volume)}}
	case s.Snapshot != nil:
		return &pb.AnySpec{Command: CommandToProto(0, s.Snapshot.Tag), Spec: &pb.AnySpec_Snapshot{Snapshot: SnapshotSpecToProto(*s.Snapshot)}}
	}
	return &pb.AnySpec{}
}

// AnySpecFromProto is the inverse of AnySpecToProto. A kind that we do not know leaves every field nil.
func AnySpecFromProto(m *pb.AnySpec) (provider.AnySpec, error) {
	switch s := m.GetSpec().(type) {
	case *pb.AnySpec_Instance:
		v, err := InstanceSpecFromProto(m.GetCommand(), s.Instance)
		return provider.AnySpec{Instance: &v}, err
	case *pb.AnySpec_Network:
		v, err := NetworkSpecFromProto(m.GetCommand(), s.Network)
		return provider.AnySpec{Network: &v}, err
	case *pb.AnySpec_Port:
		v, err := PortSpecFromProto(m.GetCommand(), s.Port)
		return provider.AnySpec{Port: &v}, err
	case *pb.AnySpec_Peer:
		v, err := PeerSpecFromProto(m.GetCommand(), s.Peer)
		return provider.AnySpec{Peer: &v}, err
	case *pb.AnySpec_Forward:
		v, err := ForwardSpecFromProto(m.GetCommand(), s.Forward)
		return provider.AnySpec{Forward: &v}, err
	case *pb.AnySpec_Volume:
		v, err := VolumeSpecFromProto(m.GetCommand(), s.Volume)
		return provider.AnySpec{Volume: &v}, err
	case *pb.AnySpec_Snapshot:
		v, err := SnapshotSpecFromProto(m.GetCommand(), s.Snapshot)
		return provider.AnySpec{Snapshot: &v}, err
	}
	return provider.AnySpec{}, nil
}

// DriftToProto converts a field in which the backend differs.
func DriftToProto(d provider.Drift) *pb.Drift {
	return &pb.Drift{Field: valid(d.Field), Want: valid(d.Want), Got: valid(d.Got)}
}

// DriftFromProto is the inverse of DriftToProto.
func DriftFromProto(d *pb.Drift) (provider.Drift, error) {
	return provider.Drift{Field: d.GetField(), Want: d.GetWant(), Got: d.GetGot()}, nil
}

// PlanToProto converts what an Apply would do.
func PlanToProto(p provider.Plan) *pb.PlanResponse {
	out := &pb.PlanResponse{InterruptsGuest: p.InterruptsGuest, DropsFlows: p.DropsFlows}
	for _, step := range p.Steps {
		out.Steps = append(out.Steps, valid(step))
	}
	return out
}

// PlanFromProto is the inverse of PlanToProto.
func PlanFromProto(p *pb.PlanResponse) (provider.Plan, error) {
	return provider.Plan{Steps: p.GetSteps(), InterruptsGuest: p.GetInterruptsGuest(), DropsFlows: p.GetDropsFlows()}, nil
}
