// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// adversaryMutants were thought of to escape.
func adversaryMutants() []mutant {
	var snapshot missesSnapshot
	var heart busyHeart
	return []mutant{
		// in what they say
		{name: "shows its own digest from the second look on", caught: "INSTANCE-APPLY-001", unary: ownDigests()},
		{name: "lists ten at most", caught: "PROVIDER-PARALLEL-001", stream: listsTen()},
		{name: "gets what it deleted once more", caught: "INSTANCE-DELETE-002", unary: getsOnceMore()},
		{name: "says the right thing with the wrong code", caught: "INSTANCE-APPLY-003", unary: around(func(c unaryCall) error {
			err := c.send()
			if st, ok := status.FromError(err); ok && err != nil && c.command() != nil {
				wrong := st.Proto()
				wrong.Code = 13
				return status.ErrorProto(wrong)
			}
			return err
		})},
		{name: "gives handles of a size of its own", caught: "INSTANCE-APPLY-001",
			unary: answer(func(r *pb.GetInstanceResponse, err error) error {
				if r.GetInstance() != nil {
					r.Instance.Observed.BackendHandle = make([]byte, 5000)
				}
				return err
			})},
		{name: "is ready before it is", caught: "INSTANCE-APPLY-001",
			unary: answer(func(r *pb.ApplyInstanceResponse, err error) error {
				if o := r.GetInstance().GetObserved(); o.GetPhase() == pb.Phase_PHASE_PROGRESSING {
					o.Phase = pb.Phase_PHASE_READY
				}
				return err
			})},
		{name: "does more than all", caught: "WATCH-PROGRESS-001",
			stream: watched(func(m *pb.WatchResponse, recv func(*pb.WatchResponse) error) error {
				err := recv(m)
				if o := m.GetInstance().GetObserved(); o.GetPhase() == pb.Phase_PHASE_PROGRESSING {
					o.Percent += 200
				}
				return err
			})},
		{name: "guesses its progress when asked", caught: "WATCH-PROGRESS-001", unary: fallingGets()},
		{name: "has less than nothing", caught: "INSTANCE-HOSTS-001",
			provider: func(p *memory.Provider) provider.Provider { return owesDisk{broken{p}} }},
		{name: "has one process for ever", caught: "PROVIDER-DESCRIBE-001",
			unary: answer(func(r *pb.DescribeResponse, err error) error { r.ProcessId = "1"; return err })},
		{name: "puts secrets into the details", caught: "INSTANCE-SECRET-001", unary: metadataSecrets()},
		// in how they compare
		{name: "compares fences as text", caught: "PROVIDER-NUMBER-001", unary: textFences()},
		{name: "counts fences in floating point", caught: "PROVIDER-NUMBER-001",
			unary: commands(func(_ string, c *pb.Command) { c.Fence = uint64(float64(c.GetFence())) })},
		{name: "counts generations in floating point", caught: "PROVIDER-NUMBER-001",
			unary: commands(func(_ string, c *pb.Command) { c.Generation = int64(float64(c.GetGeneration())) })},
		{name: "counts generations in 32 bits", caught: "PROVIDER-NUMBER-001",
			unary: commands(func(_ string, c *pb.Command) { c.Generation = int64(int32(c.GetGeneration())) })},
		{name: "wants a higher fence each time", caught: "INSTANCE-FENCE-004", unary: higherEachTime()},
		{name: "knows ids in any case", caught: "INSTANCE-APPLY-006",
			unary: around(func(c unaryCall) error {
				switch r := c.req.(type) {
				case *pb.GetInstanceRequest:
					r.Id = strings.ToLower(r.GetId())
				case interface{ GetCommand() *pb.Command }:
					r.GetCommand().Id = strings.ToLower(r.GetCommand().GetId())
				}
				return c.send()
			})},
		{name: "trims names", caught: "INSTANCE-SPEC-001",
			unary: request(func(r *pb.ApplyInstanceRequest) { r.Spec.Name = strings.TrimSpace(r.GetSpec().GetName()) })},
		{name: "writes names small", caught: "INSTANCE-SPEC-001",
			unary: request(func(r *pb.ApplyInstanceRequest) { r.Spec.Name = strings.ToLower(r.GetSpec().GetName()) })},
		{name: "cuts names", caught: "INSTANCE-SPEC-001",
			unary: request(func(r *pb.ApplyInstanceRequest) {
				r.Spec.Name = r.GetSpec().GetName()[:min(len(r.GetSpec().GetName()), 63)]
			})},
		{name: "deletes what has the name", caught: "INSTANCE-DELETE-004",
			provider: func(p *memory.Provider) provider.Provider { return &deletesAlike{broken: broken{p}} }},
		// in what they do
		{name: "keeps a port's addresses", caught: "PORT-UPDATE-001", unary: keepsAddresses()},
		{name: "keeps a forward's target", caught: "FORWARD-UPDATE-001", unary: keepsTarget()},
		{name: "loses what comes while it works", params: slow, caught: "INSTANCE-APPLY-008", unary: losesMeanwhile()},
		{name: "misses what happens during a snapshot", caught: "WATCH-CHANGE-002", unary: snapshot.unary(), stream: snapshot.stream()},
		{name: "has no heart while it works", caught: "WATCH-HEARTBEAT-002", unary: heart.unary(), stream: heart.stream()},
		{name: "stops for a drain", params: slow, caught: "PROVIDER-DRAIN-002", unary: cancelsAt("/Drain")},
		{name: "stops for a configuration", params: slow, caught: "PROVIDER-CONFIGURE-004", unary: cancelsAt("/Configure")},
		{name: "counts nothing when it drains", params: slow, caught: "PROVIDER-DRAIN-002",
			unary: answer(func(r *pb.DrainResponse, err error) error { r.Running = 0; return err })},
		{name: "looks at the ports of new forwards only", caught: "FORWARD-CONFLICT-001",
			provider: func(p *memory.Provider) provider.Provider { return sharesLater{broken{p}} }},
	}
}

// slow gives who looks for work that runs the time to find it.
func slow(p *Params, _ string) {
	p.Config = maps.Clone(p.Config)
	p.Config["step_delay_ms"] = 100
}

func ownDigests() grpc.UnaryClientInterceptor {
	var looks notes[int]
	return answer(func(r *pb.GetInstanceResponse, err error) error {
		if o := r.GetInstance().GetObserved(); o.GetPhase() == pb.Phase_PHASE_READY {
			if looks.change(o.GetId(), func(n int) int { return n + 1 }) > 1 {
				o.SpecDigest = "sha256:mine"
			}
		}
		return err
	})
}

func listsTen() grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, s grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
		stream, err := s(ctx, desc, cc, method, o...)
		if err != nil || !strings.HasSuffix(method, "/ListInstances") {
			return stream, err
		}
		return &tenStream{ClientStream: stream}, nil
	}
}

type tenStream struct {
	grpc.ClientStream
	n int
}

func (s *tenStream) RecvMsg(m any) error {
	for {
		if err := s.ClientStream.RecvMsg(m); err != nil {
			return err
		}
		if s.n++; s.n <= 10 {
			return nil
		}
	}
}

func getsOnceMore() grpc.UnaryClientInterceptor {
	var last notes[*pb.Instance]
	return around(func(c unaryCall) error {
		err := c.send()
		r, ok := c.reply.(*pb.GetInstanceResponse)
		if !ok {
			return err
		}
		id := c.req.(*pb.GetInstanceRequest).GetId()
		if was := last.get(id); err != nil && was != nil {
			last.set(id, nil)
			r.Instance = was
			return nil
		}
		if err == nil && r.GetInstance().GetObserved().GetPhase() == pb.Phase_PHASE_READY {
			last.set(id, proto.Clone(r.GetInstance()).(*pb.Instance))
		}
		return err
	})
}

func fallingGets() grpc.UnaryClientInterceptor {
	var looks notes[uint32]
	return answer(func(r *pb.GetInstanceResponse, err error) error {
		if o := r.GetInstance().GetObserved(); o.GetPhase() == pb.Phase_PHASE_PROGRESSING {
			o.Percent = 99 - min(looks.change(o.GetId(), func(n uint32) uint32 { return n + 1 }), 98)
		}
		return err
	})
}

type owesDisk struct{ broken }

func (m owesDisk) ListHosts(ctx context.Context) ([]provider.Host, error) {
	all, err := m.Provider.ListHosts(ctx)
	for i := range all {
		all[i].Capacity = map[string]int64{
			provider.UnitVCPUs: 64, provider.UnitMemoryBytes: 64 << 30, provider.UnitDiskBytes: -1,
		}
	}
	return all, err
}

func metadataSecrets() grpc.UnaryClientInterceptor {
	return around(func(c unaryCall) error {
		err := c.send()
		if r, ok := c.req.(*pb.ApplyInstanceRequest); ok && err != nil {
			return wire.ToStatus(fault.Of(wire.FromStatus(err)).With("spec", r.GetSpec().GetCloudInit().GetUserData()))
		}
		return err
	})
}

// textFences compares digits: 9 is higher than 10.
func textFences() grpc.UnaryClientInterceptor {
	var highest notes[uint64]
	return around(func(c unaryCall) error {
		now := c.command()
		if now == nil {
			return c.send()
		}
		fence := now.GetFence()
		top := highest.change("", func(t uint64) uint64 { return max(t, fence) })
		if fence < top && text(fence) > text(top) {
			c.setFence(top)
		}
		return c.send()
	})
}

func text(n uint64) string {
	var digits []byte
	for ; n > 0; n /= 10 {
		digits = append(digits, byte('0'+n%10))
	}
	slices.Reverse(digits)
	return string(digits)
}

func higherEachTime() grpc.UnaryClientInterceptor {
	var applied notes[uint64]
	return around(func(c unaryCall) error {
		now := c.command()
		if c.is("/ApplyInstance") {
			applied.set(now.GetId(), now.GetFence())
		}
		if c.is("/DeleteInstance") && now.GetFence() == applied.get(now.GetId()) {
			return wire.ToStatus(fault.New(fault.Fenced, "that fence was here before"))
		}
		return c.send()
	})
}

// deletesAlike cleans up whatever has the name of what it has deleted.
type deletesAlike struct {
	broken
	names   notes[string]
	deleted notes[bool]
}

func (m *deletesAlike) ApplyInstance(ctx context.Context, s provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	m.names.set(s.ID, s.Name)
	return m.Provider.ApplyInstance(ctx, s, progress)
}

func (m *deletesAlike) DeleteInstance(ctx context.Context, id string, progress provider.Progress) error {
	m.deleted.set(id, true)
	return m.Provider.DeleteInstance(ctx, id, progress)
}

func (m *deletesAlike) GetInstance(ctx context.Context, id string) (provider.Instance, error) {
	i, err := m.Provider.GetInstance(ctx, id)
	if fault.ReasonOf(err) != fault.NoSuchObject || !m.deleted.get(id) {
		return i, err
	}
	m.deleted.set(id, false)
	all, listErr := m.ListInstances(ctx)
	if listErr != nil {
		return i, listErr
	}
	for _, other := range all {
		if m.names.get(other.ID) == m.names.get(id) {
			if err := m.Provider.DeleteInstance(ctx, other.ID, func(string, int) {}); err != nil {
				return i, err
			}
		}
	}
	return i, err
}

func keepsAddresses() grpc.UnaryClientInterceptor {
	var first notes[[]string]
	return request(func(r *pb.ApplyPortRequest) {
		r.Spec.Addresses = first.change(r.GetCommand().GetId(), func(was []string) []string {
			if was == nil {
				return r.GetSpec().GetAddresses()
			}
			return was
		})
	})
}

func keepsTarget() grpc.UnaryClientInterceptor {
	var first notes[uint32]
	return request(func(r *pb.ApplyForwardRequest) {
		r.Spec.TargetPort = first.change(r.GetCommand().GetId(), func(was uint32) uint32 {
			if was == 0 {
				return r.GetSpec().GetTargetPort()
			}
			return was
		})
	})
}

// losesMeanwhile takes a newer generation for the one that it works on.
func losesMeanwhile() grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		if r, ok := req.(*pb.ApplyInstanceRequest); ok {
			now, err := pb.NewInstanceServiceClient(cc).GetInstance(ctx, &pb.GetInstanceRequest{Id: r.GetCommand().GetId()})
			observed := now.GetInstance().GetObserved()
			if err == nil && observed.GetPhase() == pb.Phase_PHASE_PROGRESSING && observed.GetGeneration() < r.GetCommand().GetGeneration() {
				reply.(*pb.ApplyInstanceResponse).Instance = now.GetInstance()
				return nil
			}
		}
		return invoke(ctx, method, req, reply, cc, o...)
	}
}

// cancelsAt stops all work on instances when a call comes.
func cancelsAt(suffix string) grpc.UnaryClientInterceptor {
	var mu sync.Mutex
	ids := map[string]uint64{}
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		mu.Lock()
		if r, ok := req.(*pb.ApplyInstanceRequest); ok {
			ids[r.GetCommand().GetId()] = r.GetCommand().GetFence()
		}
		stopped := map[string]uint64{}
		if strings.HasSuffix(method, suffix) {
			stopped, ids = ids, stopped
		}
		mu.Unlock()
		for id, fence := range stopped {
			now, err := pb.NewInstanceServiceClient(cc).GetInstance(ctx, &pb.GetInstanceRequest{Id: id})
			if err != nil || now.GetInstance().GetObserved().GetPhase() != pb.Phase_PHASE_PROGRESSING {
				continue
			}
			if _, err := pb.NewProviderServiceClient(cc).Cancel(ctx, &pb.CancelRequest{Kind: pb.Kind_KIND_INSTANCE, Id: id, Fence: fence}); err != nil {
				return err
			}
		}
		return invoke(ctx, method, req, reply, cc, o...)
	}
}

// sharesLater lets a forward change to ports that another has.
type sharesLater struct{ broken }

func (m sharesLater) ApplyForward(ctx context.Context, s provider.ForwardSpec, progress provider.Progress) (provider.Forward, error) {
	if s.Generation > 1 {
		return sharesPorts(m).ApplyForward(ctx, s, progress)
	}
	return m.Provider.ApplyForward(ctx, s, progress)
}

// missesSnapshot does not see what begins while it takes a snapshot.
type missesSnapshot struct {
	taking atomic.Int32
	missed sync.Map
}

func (m *missesSnapshot) unary() grpc.UnaryClientInterceptor {
	return around(func(c unaryCall) error {
		during := m.taking.Load() > 0
		err := c.send()
		if during && err == nil && c.is("/ApplyInstance") {
			m.missed.Store(c.command().GetId(), true)
		}
		return err
	})
}

func (m *missesSnapshot) stream() grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, s grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
		begin := sync.OnceFunc(func() { m.taking.Add(1) })
		end := sync.OnceFunc(func() { m.taking.Add(-1) })
		return dropping(func(r *pb.WatchResponse) bool {
			begin()
			if r.GetSnapshotEnd() != nil {
				end()
			}
			_, missed := m.missed.Load(r.GetInstance().GetObserved().GetId())
			return missed
		})(ctx, desc, cc, method, s, o...)
	}
}

// busyHeart beats when no Apply has come for a while.
type busyHeart struct{ last atomic.Int64 }

func (h *busyHeart) unary() grpc.UnaryClientInterceptor {
	return request(func(*pb.ApplyInstanceRequest) { h.last.Store(time.Now().UnixNano()) })
}

func (h *busyHeart) stream() grpc.StreamClientInterceptor {
	return dropping(func(m *pb.WatchResponse) bool {
		return m.GetHeartbeat() != nil && time.Since(time.Unix(0, h.last.Load())) < time.Second
	})
}
