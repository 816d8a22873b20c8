// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

type verifyServer struct {
	pb.UnimplementedVerifyServiceServer
	e *Engine
}

func (s *verifyServer) Verify(ctx context.Context, req *pb.VerifyRequest) (*pb.VerifyResponse, error) {
	spec, there, err := s.e.consider(ctx, req.GetSpec(), false)
	if err == nil && there == absent {
		err = fault.New(fault.NoSuchObject, "there is nothing to compare the spec with")
	}
	var drifts []provider.Drift
	if err == nil {
		drifts, err = read(ctx, s.e, "verify", wire.CallTimeout, func(ctx context.Context) ([]provider.Drift, error) {
			return s.e.verifier.Verify(ctx, spec)
		})
	}
	if err != nil {
		return nil, s.e.status("verify", err)
	}
	out := &pb.VerifyResponse{}
	for _, d := range drifts {
		out.Drifts = append(out.Drifts, wire.DriftToProto(d))
	}
	return out, nil
}

type planServer struct {
	pb.UnimplementedPlanServiceServer
	e *Engine
}

func (s *planServer) Plan(ctx context.Context, req *pb.PlanRequest) (*pb.PlanResponse, error) {
	spec, there, err := s.e.consider(ctx, req.GetSpec(), true)
	var plan provider.Plan
	if err == nil && there != current {
		plan, err = read(ctx, s.e, "plan", wire.CallTimeout, func(ctx context.Context) (provider.Plan, error) {
			return s.e.planner.Plan(ctx, spec)
		})
	}
	if err != nil {
		return nil, s.e.status("plan", err)
	}
	return wire.PlanToProto(plan), nil
}

// presence says what is there of an object that a spec is about.
type presence int

const (
	absent  presence = iota
	other            // in another generation, or not made to its end
	current          // READY in the spec's generation
)

// consider checks a spec, and looks what is there. It changes nothing. With asApply it refuses what Apply would.
func (e *Engine) consider(ctx context.Context, m *pb.AnySpec, asApply bool) (provider.AnySpec, presence, error) {
	if err := e.accepts(); err != nil {
		return provider.AnySpec{}, absent, err
	}
	spec, err := wire.AnySpecFromProto(m)
	if err != nil {
		return spec, absent, err
	}
	there, err := e.considerAny(ctx, spec, asApply)
	return spec, there, err
}

func (e *Engine) considerAny(ctx context.Context, s provider.AnySpec, asApply bool) (presence, error) {
	switch {
	case s.Instance != nil:
		return considered(ctx, e.instances, *s.Instance, asApply)
	case s.Network != nil:
		return considered(ctx, e.networks, *s.Network, asApply)
	case s.Port != nil:
		return considered(ctx, e.ports, *s.Port, asApply)
	case s.Peer != nil:
		return considered(ctx, e.peers, *s.Peer, asApply)
	case s.Forward != nil:
		return considered(ctx, e.forwards, *s.Forward, asApply)
	case s.Volume != nil:
		return considered(ctx, e.volumes, *s.Volume, asApply)
	case s.Snapshot != nil:
		return considered(ctx, e.snapshots, *s.Snapshot, asApply)
	}
	return absent, fault.New(fault.NoCapability, "the spec is of a kind that is not known here")
}

func considered[S, O any](ctx context.Context, r *resource[S, O], spec S, asApply bool) (presence, error) {
	if r == nil {
		return absent, fault.New(fault.NoCapability, "the provider does not offer this kind")
	}
	tag := r.tag(spec)
	if err := fault.Join(append(validateTag(tag), r.validate(spec)...)...); err != nil {
		return absent, err
	}
	if _, busy := r.working(tag.ID); busy {
		return other, fault.New(fault.Busy, "%s %s is being worked on", r.kind, tag.ID)
	}
	o, err := r.look(ctx, tag.ID)
	if errors.Is(err, noSuchObject) {
		return absent, nil
	}
	if err != nil || !asApply {
		return other, err
	}
	return r.compare(o, spec)
}
