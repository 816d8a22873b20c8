// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// hostsOfAllKinds are one where instances are made, and others: where they move live, where they move stopped, and
// where they do not move.
func hostsOfAllKinds() []any {
	host := func(id, architecture, cpu string) map[string]any {
		return map[string]any{
			"id": id, "name": id, "vcpus": 64, "memory_bytes": 64 << 30, "disk_bytes": 1 << 40,
			"fabrics": []string{"fabric"}, "architecture": architecture, "labels": map[string]string{"cpu": cpu},
		}
	}
	return []any{
		host("memory-host", "x86_64", "new"), host("memory-twin", "x86_64", "new"),
		host("memory-elder", "x86_64", "old"), host("memory-arm", "aarch64", "new"),
	}
}

// migrateMutants are broken in moves. Their steps are slow enough to be met on the way.
func migrateMutants() []mutant {
	var moving notes[bool]
	slowly := func(p *Params, _ string) {
		p.Config = maps.Clone(p.Config)
		p.Config["step_delay_ms"] = 200
	}
	return []mutant{
		{name: "moves without saying so", caught: "INSTANCE-STAY-001",
			unary: around(func(c unaryCall) error {
				if c.is("/CheckInstanceMigration") {
					return status.Error(codes.Unimplemented, "what is that?")
				}
				err := c.send()
				if d, ok := c.reply.(*pb.DescribeResponse); ok {
					d.Capabilities = slices.DeleteFunc(d.Capabilities, func(c *pb.Capability) bool { return c.GetName() == wire.CapabilityMigrate })
				}
				return err
			})},
		{name: "is on two hosts while it moves", caught: "MIGRATE-MOVE-001", params: slowly, stream: listsMovingTwice(&moving),
			unary: request(func(r *pb.ApplyInstanceRequest) {
				moving.set(r.GetCommand().GetId(), r.GetSpec().GetHostId() != "memory-host")
			})},
		{name: "stays where it is", caught: "MIGRATE-MOVE-001",
			provider: func(p *memory.Provider) provider.Provider { return rooted{broken{p}} }},
		{name: "leaves a copy behind", caught: "MIGRATE-MOVE-001",
			provider: func(p *memory.Provider) provider.Provider { return leavesCopy{broken{p}} }},
		{name: "restarts what it moves", caught: "MIGRATE-LIVE-001", params: slowly,
			provider: func(p *memory.Provider) provider.Provider { return restartsMoved{broken{p}} }},
		{name: "stops what it cannot move live", caught: "MIGRATE-LIVE-001", params: slowly,
			provider: func(p *memory.Provider) provider.Provider { return stopsToMove{broken{p}} }},
		{name: "promises any move", caught: "MIGRATE-CHECK-001",
			unary: answer(func(r *pb.CheckInstanceMigrationResponse, err error) error {
				r.Migration = pb.Migration_MIGRATION_LIVE
				return err
			})},
		{name: "denies that it can", caught: "MIGRATE-CHECK-001",
			unary: answer(func(r *pb.CheckInstanceMigrationResponse, err error) error {
				r.Migration, r.Obstacles = pb.Migration_MIGRATION_IMPOSSIBLE, []string{"it is too heavy"}
				return err
			})},
		{name: "stops the guest with the move", caught: "MIGRATE-CANCEL-001", params: slowly,
			provider: func(p *memory.Provider) provider.Provider { return &stopsCanceled{broken: broken{p}} }},
		{name: "forgets where a move began", caught: "MIGRATE-RESTART-001", params: slowly,
			provider: func(p *memory.Provider) provider.Provider { return &forgetsHost{broken: broken{p}} }},
	}
}

func listsMovingTwice(moving *notes[bool]) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, s grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
		stream, err := s(ctx, desc, cc, method, o...)
		if err != nil || !strings.HasSuffix(method, "/ListInstances") {
			return stream, err
		}
		return &movingStream{ClientStream: stream, moving: moving}, nil
	}
}

type movingStream struct {
	grpc.ClientStream
	moving *notes[bool]
	again  *pb.ListInstancesResponse
}

func (s *movingStream) RecvMsg(m any) error {
	r := m.(*pb.ListInstancesResponse)
	if s.again != nil {
		proto.Merge(r, s.again)
		s.again = nil
		return nil
	}
	if err := s.ClientStream.RecvMsg(m); err != nil {
		return err
	}
	if o := r.GetInstance().GetObserved(); o.GetPhase() == pb.Phase_PHASE_PROGRESSING && s.moving.get(o.GetId()) {
		s.again = proto.Clone(r).(*pb.ListInstancesResponse)
	}
	return nil
}

type rooted struct{ broken }

func (m rooted) ApplyInstance(ctx context.Context, s provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	if i, err := m.GetInstance(ctx, s.ID); err == nil {
		s.HostID = i.HostID
	}
	return m.Provider.ApplyInstance(ctx, s, progress)
}

type leavesCopy struct{ broken }

func (m leavesCopy) ListInstances(ctx context.Context) ([]provider.Instance, error) {
	all, err := m.Provider.ListInstances(ctx)
	for _, i := range all {
		if i.HostID != "memory-host" {
			i.HostID = "memory-host"
			all = append(all, i)
		}
	}
	return all, err
}

// stopAndGo moves an instance while it is stopped, whatever it was.
func (m broken) stopAndGo(ctx context.Context, s provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	stopped := s
	stopped.Power = provider.PowerStopped
	if i, err := m.ApplyInstance(ctx, stopped, progress); err != nil {
		return i, err
	}
	return m.ApplyInstance(ctx, s, progress)
}

type restartsMoved struct{ broken }

func (m restartsMoved) ApplyInstance(ctx context.Context, s provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	if can, err := m.CheckInstanceMigration(ctx, s.ID, s.HostID); err == nil && can.Mode == provider.MigrationLive {
		return m.stopAndGo(ctx, s, progress)
	}
	return m.Provider.ApplyInstance(ctx, s, progress)
}

type stopsToMove struct{ broken }

func (m stopsToMove) ApplyInstance(ctx context.Context, s provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	i, err := m.Provider.ApplyInstance(ctx, s, progress)
	if fault.ReasonOf(err) == fault.BadState {
		return m.stopAndGo(ctx, s, progress)
	}
	return i, err
}

// stopsCanceled has no running guest any more once work for it was canceled.
type stopsCanceled struct {
	broken
	canceled atomic.Bool
}

func (m *stopsCanceled) ApplyInstance(ctx context.Context, s provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	i, err := m.Provider.ApplyInstance(ctx, s, progress)
	if ctx.Err() != nil {
		m.canceled.Store(true)
	}
	return i, err
}

func (m *stopsCanceled) GetInstance(ctx context.Context, id string) (provider.Instance, error) {
	i, err := m.Provider.GetInstance(ctx, id)
	if m.canceled.Load() {
		i.Power = provider.PowerStopped
	}
	return i, err
}

// forgetsHost does not know the host of what a dead process left half made.
type forgetsHost struct {
	broken
	mine notes[bool]
}

func (m *forgetsHost) ApplyInstance(ctx context.Context, s provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	m.mine.set(s.ID, true)
	return m.Provider.ApplyInstance(ctx, s, progress)
}

func (m *forgetsHost) GetInstance(ctx context.Context, id string) (provider.Instance, error) {
	i, err := m.Provider.GetInstance(ctx, id)
	if i.Phase == provider.PhaseFailed && !m.mine.get(id) {
		i.HostID = ""
	}
	return i, err
}
