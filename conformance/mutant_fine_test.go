// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"io"
	"strings"
	"sync"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
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

// fineMutants are right in all but one small thing.
func fineMutants() []mutant {
	starts := 0
	var cut unended
	return []mutant{
		{name: "does not say when it looked", caught: "INSTANCE-APPLY-001",
			unary: answer(func(r *pb.GetInstanceResponse, err error) error {
				if r.GetInstance() != nil {
					r.Instance.Observed.ObservedAt = nil
				}
				return err
			})},
		{name: "calls its objects after its process", caught: "INSTANCE-LIST-001",
			provider: func(p *memory.Provider) provider.Provider {
				starts++
				return processNames{broken{p}, strings.Repeat("'", starts)}
			}},
		{name: "does not know where stopped instances are", caught: "INSTANCE-POWER-001",
			unary: answer(func(r *pb.GetInstanceResponse, err error) error {
				if r.GetInstance().GetPower() == pb.Power_POWER_STOPPED {
					r.Instance.HostId = ""
				}
				return err
			})},
		{name: "mends what is wrong", caught: "INSTANCE-SPEC-001",
			unary: request(func(r *pb.ApplyInstanceRequest) { r.Spec.Vcpus = max(r.GetSpec().GetVcpus(), 1) })},
		{name: "misses something else", caught: "IMAGE-MISSING-001",
			provider: func(p *memory.Provider) provider.Provider { return missesAnother{broken{p}} }},
		{name: "fills gaps with zeros", caught: "IMAGE-PUT-003",
			stream: fillsGaps()},
		{name: "takes what was cut off for the whole", caught: "IMAGE-CUT-001", unary: cut.unary(), stream: cut.stream()},
		{name: "says it twice", caught: "ERROR-INFO-001",
			unary: answer(func(_ *pb.GetInstanceResponse, err error) error {
				if st, ok := status.FromError(err); ok && err != nil {
					twice, detailErr := st.WithDetails(&errdetails.ErrorInfo{Domain: "acme.example", Reason: "NOT_HERE"})
					if detailErr == nil {
						return twice.Err()
					}
				}
				return err
			})},
		{name: "hides one thing", caught: "PROVIDER-DESCRIBE-002",
			unary: answer(func(d *pb.DescribeResponse, err error) error {
				var shown []*pb.Capability
				for _, c := range d.GetCapabilities() {
					if c.GetName() != wire.CapabilityMetrics {
						shown = append(shown, c)
					}
				}
				d.Capabilities = shown
				return err
			})},
		{name: "deletes without configuration", caught: "PROVIDER-CONFIGURE-001",
			unary: around(func(c unaryCall) error {
				err := c.send()
				if c.is("/DeleteInstance") && fault.ReasonOf(wire.FromStatus(err)) == fault.NotConfigured {
					return nil
				}
				return err
			})},
		{name: "is configured twice at most", caught: "PROVIDER-CONFIGURE-003", unary: configuresTwice()},
		{name: "says that it stopped, and goes on", params: slow, caught: "PROVIDER-CANCEL-002",
			unary: func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
				if r, ok := req.(*pb.CancelRequest); ok {
					now, err := pb.NewInstanceServiceClient(cc).GetInstance(ctx, &pb.GetInstanceRequest{Id: r.GetId()})
					if err == nil && now.GetInstance().GetObserved().GetPhase() == pb.Phase_PHASE_PROGRESSING {
						reply.(*pb.CancelResponse).Outcome = pb.CancelResponse_OUTCOME_CANCELED
						return nil
					}
				}
				return invoke(ctx, method, req, reply, cc, o...)
			}},
		{name: "shows everything twice", caught: "WATCH-SNAPSHOT-001", stream: showsTwice()},
		{name: "does not say how large its hosts are", caught: "INSTANCE-HOSTS-001",
			provider: func(p *memory.Provider) provider.Provider { return boundless{broken{p}} }},
		{name: "has routers without names", caught: "NETWORK-ROUTERS-001",
			provider: func(p *memory.Provider) provider.Provider { return nameless{broken{p}} }},
		{name: "has pools of no size", caught: "VOLUME-POOLS-001",
			provider: func(p *memory.Provider) provider.Provider { return noSize{broken{p}} }},
		{name: "always finds something to do", caught: "PLAN-STEPS-001",
			unary: answer(func(r *pb.PlanResponse, err error) error { r.Steps = append(r.Steps, "looking around"); return err })},
		{name: "forgets reverts when it dies", caught: "SNAPSHOT-REVERT-001",
			provider: func(p *memory.Provider) provider.Provider { return &ownReverts{broken: broken{p}} }},
		{name: "restarts the tunnel when a peer goes", caught: "PEER-UNDISTURBED-001",
			provider: func(p *memory.Provider) provider.Provider { return &resetsWhenGone{broken: broken{p}} }},
		{name: "has no words for the second caller", caught: "CONSOLE-OPEN-002",
			provider: func(p *memory.Provider) provider.Provider { return &oneCaller{broken: broken{p}} }},
	}
}

type processNames struct {
	broken
	suffix string
}

func (m processNames) GetInstance(ctx context.Context, id string) (provider.Instance, error) {
	i, err := m.Provider.GetInstance(ctx, id)
	i.BackendRef += m.suffix
	return i, err
}

func (m processNames) ApplyInstance(ctx context.Context, s provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	i, err := m.Provider.ApplyInstance(ctx, s, progress)
	i.BackendRef += m.suffix
	return i, err
}

type missesAnother struct{ broken }

func (m missesAnother) ApplyInstance(ctx context.Context, s provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	i, err := m.Provider.ApplyInstance(ctx, s, progress)
	if fault.ReasonOf(err) == fault.ImageMissing {
		err = fault.New(fault.NoSuchObject, "there is no image")
	}
	return i, err
}

// fillsGaps takes content for what it knows nothing of from wherever it begins.
func fillsGaps() grpc.StreamClientInterceptor {
	var known notes[bool]
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, s grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
		stream, err := s(ctx, desc, cc, method, o...)
		if err != nil || !strings.HasSuffix(method, "/PutImage") {
			return stream, err
		}
		return &gapStream{ClientStream: stream, known: &known}, nil
	}
}

type gapStream struct {
	grpc.ClientStream
	known *notes[bool]
	gap   bool
}

func (s *gapStream) SendMsg(m any) error {
	if h := m.(*pb.PutImageRequest).GetHeader(); h != nil {
		s.gap = h.GetOffsetBytes() > 0 && !s.known.get(h.GetSha256())
		s.known.set(h.GetSha256(), true)
	}
	return s.ClientStream.SendMsg(m)
}

func (s *gapStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if s.gap && fault.ReasonOf(wire.FromStatus(err)) == fault.BadState {
		m.(*pb.PutImageResponse).Image = &pb.Image{}
		return nil
	}
	return err
}

// unended are uploads whose end nobody waited for.
type unended struct{ sums sync.Map }

func (u *unended) unary() grpc.UnaryClientInterceptor {
	return answer(func(r *pb.GetImageResponse, err error) error {
		if r.GetImage() == nil {
			return err
		}
		if _, ok := u.sums.Load(r.GetImage().GetSha256()); ok {
			r.Image.Ready, r.Image.OffsetBytes = true, r.Image.GetSizeBytes()
		}
		return err
	})
}

func (u *unended) stream() grpc.StreamClientInterceptor {
	keeps := keepsUploads()
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, s grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
		stream, err := keeps(ctx, desc, cc, method, s, o...)
		if err != nil || !strings.HasSuffix(method, "/PutImage") {
			return stream, err
		}
		return &uploadStream{ClientStream: stream, unended: u}, nil
	}
}

type uploadStream struct {
	grpc.ClientStream
	unended *unended
	sum     string
}

func (s *uploadStream) SendMsg(m any) error {
	if put, ok := m.(*pb.PutImageRequest); ok && put.GetHeader() != nil {
		s.sum = put.GetHeader().GetSha256()
		s.unended.sums.LoadOrStore(s.sum, s)
	}
	return s.ClientStream.SendMsg(m)
}

func (s *uploadStream) RecvMsg(m any) error {
	s.unended.sums.CompareAndDelete(s.sum, s)
	return s.ClientStream.RecvMsg(m)
}

func configuresTwice() grpc.UnaryClientInterceptor {
	accepted := map[any]int{}
	return around(func(c unaryCall) error {
		if !c.is("/Configure") {
			return c.send()
		}
		if accepted[c.process] == 2 {
			return status.Error(codes.AlreadyExists, "again?")
		}
		err := c.send()
		if err == nil {
			accepted[c.process]++
		}
		return err
	})
}

// showsTwice repeats what it shows in a snapshot.
func showsTwice() grpc.StreamClientInterceptor {
	var last *pb.WatchResponse
	return watched(func(m *pb.WatchResponse, recv func(*pb.WatchResponse) error) error {
		if last != nil {
			proto.Merge(m, last)
			last = nil
			return nil
		}
		if err := recv(m); err != nil {
			return err
		}
		if m.GetInstance() != nil {
			last = proto.Clone(m).(*pb.WatchResponse)
		}
		return nil
	})
}

type boundless struct{ broken }

func (m boundless) ListHosts(ctx context.Context) ([]provider.Host, error) {
	all, err := m.Provider.ListHosts(ctx)
	for i := range all {
		all[i].Capacity = nil
	}
	return all, err
}

type nameless struct{ broken }

func (m nameless) ListRouters(ctx context.Context) ([]provider.Router, error) {
	all, err := m.Provider.ListRouters(ctx)
	for i := range all {
		all[i].Name = ""
	}
	return all, err
}

type noSize struct{ broken }

func (m noSize) ListPools(ctx context.Context) ([]provider.Pool, error) {
	all, err := m.Provider.ListPools(ctx)
	for i := range all {
		all[i].CapacityBytes = 0
	}
	return all, err
}

// ownReverts shows the reverts that it did itself.
type ownReverts struct {
	broken
	did sync.Map
}

func (m *ownReverts) RevertSnapshot(ctx context.Context, id, operation string, progress provider.Progress) (provider.Snapshot, error) {
	m.did.Store(operation, true)
	return m.Provider.RevertSnapshot(ctx, id, operation, progress)
}

func (m *ownReverts) GetSnapshot(ctx context.Context, id string) (provider.Snapshot, error) {
	s, err := m.Provider.GetSnapshot(ctx, id)
	if _, ok := m.did.Load(s.LastRevertOperationID); !ok {
		s.LastRevertOperationID = ""
	}
	return s, err
}

// resetsWhenGone loses what peers did when another one, that was whole, goes.
type resetsWhenGone struct {
	broken
	mu   sync.Mutex
	gone int64
}

func (m *resetsWhenGone) DeletePeer(ctx context.Context, id string, progress provider.Progress) error {
	if p, err := m.Provider.GetPeer(ctx, id); err == nil && p.Phase == provider.PhaseReady {
		m.mu.Lock()
		m.gone++
		m.mu.Unlock()
	}
	return m.Provider.DeletePeer(ctx, id, progress)
}

func (m *resetsWhenGone) GetPeer(ctx context.Context, id string) (provider.Peer, error) {
	p, err := m.Provider.GetPeer(ctx, id)
	m.mu.Lock()
	defer m.mu.Unlock()
	p.ReceivedBytes = 1000 - m.gone
	return p, err
}

// oneCaller has one console for all, and says so with a reason that the contract does not allow.
type oneCaller struct {
	broken
	mu   sync.Mutex
	open map[string]bool
}

func (m *oneCaller) OpenConsole(ctx context.Context, id string) (io.ReadWriteCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open[id] {
		return nil, fault.New(fault.BadState, "somebody has it")
	}
	c, err := m.Provider.OpenConsole(ctx, id)
	if err != nil {
		return nil, err
	}
	m.open = map[string]bool{id: true}
	return released{c, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.open = nil
	}}, nil
}

type released struct {
	io.ReadWriteCloser
	release func()
}

func (r released) Close() error {
	defer r.release()
	return r.ReadWriteCloser.Close()
}
