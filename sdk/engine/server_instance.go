// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"

	"google.golang.org/grpc"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

type instanceServer struct {
	pb.UnimplementedInstanceServiceServer
	e *Engine
}

func (s *instanceServer) ApplyInstance(ctx context.Context, req *pb.ApplyInstanceRequest) (*pb.ApplyInstanceResponse, error) {
	spec, err := wire.InstanceSpecFromProto(req.GetCommand(), req.GetSpec())
	if err != nil {
		return nil, wire.ToStatus(err)
	}
	o, err := s.e.instances.Apply(ctx, req.GetCommand().GetFence(), spec)
	if err != nil {
		return nil, s.e.status("apply instance", err)
	}
	return &pb.ApplyInstanceResponse{Instance: wire.InstanceToProto(o)}, nil
}

func (s *instanceServer) GetInstance(ctx context.Context, req *pb.GetInstanceRequest) (*pb.GetInstanceResponse, error) {
	o, err := s.e.instances.Get(withHandle(ctx, req), req.GetId())
	if err != nil {
		return nil, s.e.status("get instance", err)
	}
	return &pb.GetInstanceResponse{Instance: wire.InstanceToProto(o)}, nil
}

func (s *instanceServer) DeleteInstance(ctx context.Context, req *pb.DeleteInstanceRequest) (*pb.DeleteInstanceResponse, error) {
	o, err := s.e.instances.Delete(withHandle(ctx, req.GetCommand()), req.GetCommand().GetFence(), req.GetCommand().GetId())
	if err != nil {
		return nil, s.e.status("delete instance", err)
	}
	return &pb.DeleteInstanceResponse{Observed: observedToProto(o)}, nil
}

func (s *instanceServer) ListInstances(_ *pb.ListInstancesRequest, stream grpc.ServerStreamingServer[pb.ListInstancesResponse]) error {
	return s.e.instances.List(stream.Context(), func(o provider.Instance) error {
		return stream.Send(&pb.ListInstancesResponse{Instance: wire.InstanceToProto(o)})
	})
}

func (s *instanceServer) ListHosts(ctx context.Context, _ *pb.ListHostsRequest) (*pb.ListHostsResponse, error) {
	hosts, err := listed(ctx, s.e, "list hosts", s.e.author.(provider.Instances).ListHosts)
	if err != nil {
		return nil, err
	}
	out := &pb.ListHostsResponse{}
	for _, h := range hosts {
		out.Hosts = append(out.Hosts, wire.HostToProto(h))
	}
	return out, nil
}

// listed answers a list that no work or failure adds to.
func listed[T any](ctx context.Context, e *Engine, what string, list func(context.Context) ([]T, error)) ([]T, error) {
	err := e.accepts()
	if err != nil {
		return nil, e.status(what, err)
	}
	all, err := read(ctx, e, what, wire.CallTimeout, list)
	return all, e.status(what, err)
}

func observedToProto(o *provider.Observed) *pb.Observed {
	if o == nil {
		return nil
	}
	return wire.ObservedToProto(*o)
}

type powerServer struct {
	pb.UnimplementedPowerServiceServer
	e *Engine
}

func (s *powerServer) RebootInstance(ctx context.Context, req *pb.RebootInstanceRequest) (*pb.RebootInstanceResponse, error) {
	o, err := s.e.reboot(withHandle(ctx, req.GetCommand()), req.GetCommand().GetFence(), req.GetCommand().GetId(), req.GetOperationId(), req.GetHard())
	if err != nil {
		return nil, s.e.status("reboot instance", err)
	}
	return &pb.RebootInstanceResponse{Instance: wire.InstanceToProto(o)}, nil
}

// reboot is not a job: it is short, and its repetition is harmless. It goes on when its caller is gone.
func (e *Engine) reboot(ctx context.Context, fence uint64, id, operationID string, hard bool) (provider.Instance, error) {
	var none provider.Instance
	if err := e.accepts(); err != nil {
		return none, err
	}
	f := faults(validateID(id))
	f.present("/operation_id", operationID)
	if err := fault.Join(f...); err != nil {
		return none, err
	}
	leave, err := e.instances.gate(ctx, id)
	if err != nil {
		return none, err
	}
	defer leave()
	if err := e.fences.admit(id, fence); err != nil {
		return none, err
	}
	if _, busy := e.instances.working(id); busy {
		return none, fault.New(fault.Busy, "instance %s is being worked on", id)
	}
	if err := e.work.begin(); err != nil {
		return none, err
	}
	defer e.work.left()
	defer e.work.ended()
	defer e.instances.changed(id)
	o, err := read(context.WithoutCancel(ctx), e, "reboot instance", wire.CallTimeout, func(ctx context.Context) (provider.Instance, error) {
		return e.power.RebootInstance(ctx, id, operationID, hard)
	})
	return e.instances.stamp(o), err
}
