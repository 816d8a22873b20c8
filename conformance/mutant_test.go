// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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

// mutant is a provider that is broken in one way. The suite is only worth something if it catches each, by name.
type mutant struct {
	name   string
	caught string // the case that must fail
	// The way in which it is broken: in the provider, or on the wire to it.
	provider func(*memory.Provider) provider.Provider
	unary    grpc.UnaryClientInterceptor
	stream   grpc.StreamClientInterceptor
	amnesia  bool // a new process stands on a new backend
	eager    bool // it is configured before anybody asks
	params   func(*Params, string)
}

func TestMutantsAreCaught(t *testing.T) {
	t.Parallel()
	names := map[string][]string{} // of mutants, by the case that catches them
	for _, m := range mutants() {
		names[m.caught] = append(names[m.caught], m.name)
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			target := m.target()
			defer target.Close()
			impatient := params
			impatient.Timeout = 3 * time.Second
			if m.params != nil {
				m.params(&impatient, t.TempDir())
			}
			report, err := Runner{
				Target: target, Params: impatient, Profile: Extended, Focus: regexp.MustCompile("^" + m.caught + "$"),
			}.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(report.Results) != 1 || report.Results[0].Outcome != Fail {
				t.Fatalf("%s did not catch it: %+v", m.caught, report.Results)
			}
			t.Log(report.Results[0].Detail)
		})
	}
	for _, c := range Cases() {
		if c.Profile == Dataplane {
			continue // they need packets: plugins/openwrt has liars for them
		}
		got, said := names[generic(c.ID)], slices.Sorted(slices.Values(c.Catches))
		if slices.Sort(got); !slices.Equal(got, said) {
			t.Errorf("%s says that it catches %q; the mutants that name it are %q", c.ID, said, got)
		}
		if len(c.Catches) == 0 {
			t.Errorf("no mutant shows that %s catches anything", c.ID)
		}
	}
}

// generic returns the id by which a case is tried that is written once for all kinds.
func generic(id string) string {
	for _, k := range kinds()[1:] {
		for _, c := range slices.Concat(kindCases(k), meanwhileCases(k), lostCases(k), staleCases(k)) {
			if c.ID == id {
				return strings.Replace(id, k.prefix, kinds()[0].prefix, 1)
			}
		}
	}
	return id
}

func (m mutant) target() Target {
	b := memory.NewBackend()
	start := func() provider.Provider {
		if m.amnesia {
			b = memory.NewBackend()
		}
		if m.provider != nil {
			return m.provider(memory.New(b))
		}
		return memory.New(b)
	}
	var options []grpc.DialOption
	if m.unary != nil {
		options = append(options, grpc.WithUnaryInterceptor(m.unary))
	}
	if m.stream != nil {
		options = append(options, grpc.WithStreamInterceptor(m.stream))
	}
	target := InProcess(start, quick, options...)
	if m.eager {
		return eager{target}
	}
	return target
}

// eager is a target whose processes need no configuration.
type eager struct{ Target }

func (e eager) Restart(ctx context.Context) error {
	if err := e.Target.Restart(ctx); err != nil {
		return err
	}
	cc, err := e.Connect(ctx)
	if err != nil {
		return err
	}
	_, err = wire.NewClient(cc).Configure(ctx, 1, []byte(`{}`), 0)
	return err
}

// request breaks what is sent.
func request[Req any](f func(*Req)) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		if r, ok := req.(*Req); ok {
			f(r)
		}
		return invoke(ctx, method, req, reply, cc, o...)
	}
}

// answer breaks what comes back.
func answer[Reply any](f func(*Reply, error) error) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		err := invoke(ctx, method, req, reply, cc, o...)
		if r, ok := reply.(*Reply); ok {
			return f(r, err)
		}
		return err
	}
}

// commands breaks every command.
func commands(f func(method string, c *pb.Command)) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		if r, ok := req.(interface{ GetCommand() *pb.Command }); ok {
			f(method, r.GetCommand())
		}
		return invoke(ctx, method, req, reply, cc, o...)
	}
}

// pardons lets an error pass for success.
func pardons(reason fault.Reason) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		err := invoke(ctx, method, req, reply, cc, o...)
		if fault.ReasonOf(wire.FromStatus(err)) == reason {
			return nil
		}
		return err
	}
}

// watched breaks what Watch shows: f sends what it likes.
func watched(f func(m *pb.WatchResponse, recv func(*pb.WatchResponse) error) error) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, s grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
		stream, err := s(ctx, desc, cc, method, o...)
		if err != nil || !strings.HasSuffix(method, "/Watch") {
			return stream, err
		}
		return &watchStream{stream, f}, nil
	}
}

type watchStream struct {
	grpc.ClientStream
	f func(*pb.WatchResponse, func(*pb.WatchResponse) error) error
}

func (s *watchStream) RecvMsg(m any) error {
	return s.f(m.(*pb.WatchResponse), func(m *pb.WatchResponse) error { return s.ClientStream.RecvMsg(m) })
}

// dropping leaves messages of Watch out.
func dropping(drop func(*pb.WatchResponse) bool) grpc.StreamClientInterceptor {
	return watched(func(m *pb.WatchResponse, recv func(*pb.WatchResponse) error) error {
		for {
			if err := recv(m); err != nil || !drop(m) {
				return err
			}
		}
	})
}

func mutants() []mutant {
	return slices.Concat(orderMutants(), fineMutants(), wireMutants(), providerMutants(), specMutants(), lostMutants(), staleMutants(), backendMutants(),
		forwardMutants(), portMutants(), volumeMutants(), snapshotMutants(), guestMutants(), migrateMutants(), verifyMutants(), adversaryMutants())
}

// wireMutants are broken in what an engine does for others.
func wireMutants() []mutant {
	return []mutant{
		{name: "needs configuration to describe itself", caught: "PROVIDER-DESCRIBE-001", unary: describesLate()},
		{name: "advertises what it has not", caught: "PROVIDER-DESCRIBE-002",
			provider: func(p *memory.Provider) provider.Provider { return networkOnly{p, p, p} },
			unary: answer(func(d *pb.DescribeResponse, err error) error {
				d.Capabilities = append(d.Capabilities, &pb.Capability{Name: wire.CapabilityPeers, Revision: 1})
				return err
			})},
		{name: "hides what it has", caught: "PROVIDER-DESCRIBE-002",
			unary: answer(func(d *pb.DescribeResponse, err error) error { d.Capabilities = nil; return err })},
		{name: "works without configuration", caught: "PROVIDER-CONFIGURE-001", eager: true},
		{name: "takes any configuration", caught: "PROVIDER-CONFIGURE-002",
			unary: request(func(r *pb.ConfigureRequest) { r.ConfigJson = `{}` })},
		{name: "reports one fault at a time", caught: "PROVIDER-CONFIGURE-002",
			unary: request(func(r *pb.ConfigureRequest) {
				r.ConfigJson = strings.Replace(r.GetConfigJson(), `"rhyzome_conformance_b":true,`, "", 1)
			})},
		{name: "is configured once and for all", caught: "PROVIDER-CONFIGURE-003", unary: configuresOnce()},
		{name: "cancels slowly", caught: "PROVIDER-CANCEL-001",
			unary: answer(func(_ *pb.CancelResponse, err error) error {
				<-time.After(1100 * time.Millisecond)
				return err
			})},
		{name: "cannot cancel what runs", caught: "PROVIDER-CANCEL-002",
			unary: answer(func(r *pb.CancelResponse, err error) error {
				return status.Error(codes.Internal, "cannot cancel")
			})},
		{name: "ignores drain", caught: "PROVIDER-DRAIN-001", unary: ignoresDrain()},
		{name: "works on one thing at a time", caught: "PROVIDER-PARALLEL-001", unary: oneAtATime()},
		{name: "sends the snapshot's end first", caught: "WATCH-SNAPSHOT-001", stream: snapshotEndFirst()},
		{name: "shows no removal", caught: "WATCH-CHANGE-001",
			stream: dropping(func(m *pb.WatchResponse) bool { return m.GetRemoved() != nil })},
		{name: "shows nothing after the snapshot", caught: "WATCH-CHANGE-001", stream: silentAfterSnapshot()},
		{name: "falls back in its progress", caught: "WATCH-PROGRESS-001", stream: fallingProgress()},
		{name: "has no heart", caught: "WATCH-HEARTBEAT-001",
			stream: dropping(func(m *pb.WatchResponse) bool { return m.GetHeartbeat() != nil })},
		{name: "ignores digests", caught: "INSTANCE-APPLY-003", unary: pardons(fault.SpecConflict)},
		{name: "ignores old generations", caught: "INSTANCE-APPLY-004", unary: pardons(fault.StaleGeneration)},
		{name: "makes concurrent duplicates", caught: "INSTANCE-APPLY-005", unary: duplicating()},
		{name: "takes malformed commands", caught: "INSTANCE-APPLY-006", unary: pardons(fault.InvalidField)},
		{name: "ignores new generations", caught: "INSTANCE-APPLY-007",
			unary: commands(func(_ string, c *pb.Command) { c.Generation, c.SpecDigest = 1, "sha256:conformance-1" })},
		{name: "ignores fences", caught: "INSTANCE-FENCE-001",
			unary: commands(func(_ string, c *pb.Command) { c.Fence = math.MaxUint64 })},
		{name: "forgets the fences of what is deleted", caught: "INSTANCE-FENCE-002", unary: forgetsDeleted()},
		{name: "has no floor", caught: "INSTANCE-FENCE-003",
			unary: request(func(r *pb.ConfigureRequest) { r.FenceFloor = 0 })},
		{name: "finds what is not there", caught: "INSTANCE-GET-001", unary: pardons(fault.NoSuchObject)},
		{name: "says errors in words only", caught: "ERROR-INFO-001",
			unary: answer(func(_ *pb.GetInstanceResponse, err error) error {
				return status.Error(status.Code(err), "it is not there")
			})},
		{name: "refuses the future's fields", caught: "TOLERANCE-FIELD-001",
			unary: func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
				if r, ok := req.(*pb.DescribeRequest); ok && len(r.ProtoReflect().GetUnknown()) > 0 {
					return status.Error(codes.InvalidArgument, "what is that?")
				}
				return invoke(ctx, method, req, reply, cc, o...)
			}},
		{name: "refuses the future's values", caught: "TOLERANCE-ENUM-001",
			unary: func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
				if r, ok := req.(*pb.CancelRequest); ok && pb.Kind_name[int32(r.GetKind())] == "" {
					return status.Error(codes.InvalidArgument, "what is that?")
				}
				return invoke(ctx, method, req, reply, cc, o...)
			}},
		{name: "reboots for whoever is late", caught: "POWER-REBOOT-002",
			unary: commands(func(method string, c *pb.Command) {
				if strings.HasSuffix(method, "/RebootInstance") {
					c.Fence = math.MaxUint64
				}
			})},
		{name: "takes content from anywhere", caught: "IMAGE-PUT-003", stream: ignoresOffset()},
	}
}

func describesLate() grpc.UnaryClientInterceptor {
	configured := map[*grpc.ClientConn]bool{}
	first := true
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		switch req.(type) {
		case *pb.ConfigureRequest:
			configured[cc] = true
		case *pb.DescribeRequest:
			if !configured[cc] && !first {
				return status.Error(codes.FailedPrecondition, "configure me")
			}
			first = false
		}
		return invoke(ctx, method, req, reply, cc, o...)
	}
}

func configuresOnce() grpc.UnaryClientInterceptor {
	configured := map[*grpc.ClientConn]bool{}
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		if _, ok := req.(*pb.ConfigureRequest); ok {
			if configured[cc] {
				return status.Error(codes.AlreadyExists, "again?")
			}
			configured[cc] = true
		}
		return invoke(ctx, method, req, reply, cc, o...)
	}
}

// duplicating makes another object of every Apply that comes while the same runs.
func duplicating() grpc.UnaryClientInterceptor {
	var running notes[map[int64]int] // calls, by generation
	count := func(c *pb.Command, by int) (n int) {
		running.change(c.GetId(), func(of map[int64]int) map[int64]int {
			if of == nil {
				of = map[int64]int{}
			}
			of[c.GetGeneration()] += by
			n = of[c.GetGeneration()]
			return of
		})
		return n
	}
	return around(func(c unaryCall) error {
		if !c.is("/ApplyInstance") {
			return c.send()
		}
		now := proto.Clone(c.command()).(*pb.Command)
		if n := count(now, 1); n > 1 {
			c.command().Id = now.GetId()[:len(now.GetId())-2] + "e" + string(rune('0'+n%10))
		}
		defer count(now, -1)
		return c.send()
	})
}

// forgetsDeleted forgets an id's fences with the object that it had.
func forgetsDeleted() grpc.UnaryClientInterceptor {
	var deleted notes[bool]
	return lifts(func(c unaryCall, now *pb.Command, first uint64) bool {
		if c.is("/DeleteInstance") && first > 0 {
			deleted.set(now.GetId(), true)
		}
		return c.is("/ApplyInstance") && deleted.get(now.GetId())
	})
}

func snapshotEndFirst() grpc.StreamClientInterceptor {
	first := true
	return watched(func(m *pb.WatchResponse, recv func(*pb.WatchResponse) error) error {
		if first {
			first = false
			m.Event = &pb.WatchResponse_SnapshotEnd{SnapshotEnd: &pb.SnapshotEnd{}}
			return nil
		}
		return recv(m)
	})
}

func silentAfterSnapshot() grpc.StreamClientInterceptor {
	ended := false
	return dropping(func(m *pb.WatchResponse) bool {
		drop := ended && m.GetHeartbeat() == nil
		ended = ended || m.GetSnapshotEnd() != nil
		return drop
	})
}

func fallingProgress() grpc.StreamClientInterceptor {
	percent := uint32(99)
	return watched(func(m *pb.WatchResponse, recv func(*pb.WatchResponse) error) error {
		if err := recv(m); err != nil {
			return err
		}
		if o := m.GetInstance().GetObserved(); o.GetPhase() == pb.Phase_PHASE_PROGRESSING {
			o.Percent = percent
			percent--
		}
		return nil
	})
}

func ignoresOffset() grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, s grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
		stream, err := s(ctx, desc, cc, method, o...)
		return putStream{stream}, err
	}
}

type putStream struct{ grpc.ClientStream }

func (s putStream) SendMsg(m any) error {
	if put, ok := m.(*pb.PutImageRequest); ok && put.GetHeader() != nil {
		put.Header.OffsetBytes = 0
	}
	return s.ClientStream.SendMsg(m)
}

// networkOnly offers networks and ports.
type networkOnly struct {
	provider.Provider
	provider.Networks
	provider.Ports
}

// broken is a memory provider, some of whose methods mutants replace.
type broken struct{ *memory.Provider }

func providerMutants() []mutant {
	return []mutant{
		{name: "lists everything twice", caught: "INSTANCE-APPLY-001",
			provider: func(p *memory.Provider) provider.Provider { return listsTwice{broken{p}} }},
		{name: "makes it anew when repeated", caught: "INSTANCE-APPLY-002",
			provider: func(p *memory.Provider) provider.Provider { return &renames{broken: broken{p}} }},
		{name: "cannot delete nothing", caught: "INSTANCE-DELETE-001",
			provider: func(p *memory.Provider) provider.Provider { return missesNothing{broken{p}} }},
		{name: "forgets to delete", caught: "INSTANCE-DELETE-002",
			provider: func(p *memory.Provider) provider.Provider { return keepsAll{broken{p}} }},
		{name: "cannot delete after a refusal", caught: "INSTANCE-DELETE-003", unary: stuckAfterConflict()},
		{name: "keeps its objects in memory", caught: "INSTANCE-LIST-001", amnesia: true},
		{name: "writes the tag last", caught: "INSTANCE-LIST-002",
			provider: func(p *memory.Provider) provider.Provider { return tagsLast{broken{p}} }},
		{name: "calls ready what a dead process left", caught: "INSTANCE-LIST-002",
			provider: func(p *memory.Provider) provider.Provider { return alwaysReady{broken{p}} }},
		{name: "invents hosts", caught: "INSTANCE-HOSTS-001",
			provider: func(p *memory.Provider) provider.Provider { return newHosts{broken{p}, time.Now().String()} }},
		{name: "invents routers", caught: "NETWORK-ROUTERS-001",
			provider: func(p *memory.Provider) provider.Provider { return newHosts{broken{p}, time.Now().String()} }},
		{name: "is always running", caught: "INSTANCE-POWER-001",
			provider: func(p *memory.Provider) provider.Provider { return alwaysOn{broken{p}} }},
		{name: "forgets what it rebooted for", caught: "POWER-REBOOT-001",
			provider: func(p *memory.Provider) provider.Provider { return forgetsReboot{broken{p}} }},
		{name: "forgets images in part", caught: "IMAGE-PUT-001",
			provider: func(p *memory.Provider) provider.Provider { return wholeOnly{broken{p}} }},
		{name: "believes any content", caught: "IMAGE-PUT-002",
			provider: func(p *memory.Provider) provider.Provider { return credulous{broken{p}} }},
		{name: "keeps what it refused", caught: "IMAGE-PUT-002",
			provider: func(p *memory.Provider) provider.Provider { return keepsRefused{broken{p}} }},
		{name: "opens backing files", caught: "IMAGE-PUT-004",
			provider: func(p *memory.Provider) provider.Provider { return opensBacking{broken{p}} }},
		{name: "deletes what is used", caught: "IMAGE-DELETE-001",
			provider: func(p *memory.Provider) provider.Provider { return deletesUsed{broken{p}} }},
		{name: "makes instances of nothing", caught: "IMAGE-MISSING-001",
			provider: func(p *memory.Provider) provider.Provider { return needsNoImage{broken{p}} }},
		{name: "makes a new key each time", caught: "NETWORK-KEY-001",
			provider: func(p *memory.Provider) provider.Provider { return newKeys{broken{p}} }},
		{name: "restarts the tunnel for each peer", caught: "PEER-UNDISTURBED-001",
			provider: func(p *memory.Provider) provider.Provider { return &resetsPeers{broken: broken{p}} }},
	}
}

type listsTwice struct{ broken }

func (l listsTwice) ListInstances(ctx context.Context) ([]provider.Instance, error) {
	all, err := l.Provider.ListInstances(ctx)
	return append(all, all...), err
}

// renames shows another object in the backend at each look.
type renames struct {
	broken
	mu    sync.Mutex
	looks string
}

func (r *renames) GetInstance(ctx context.Context, id string) (provider.Instance, error) {
	i, err := r.Provider.GetInstance(ctx, id)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks += "'"
	i.BackendRef += r.looks
	return i, err
}

type missesNothing struct{ broken }

func (m missesNothing) DeleteInstance(ctx context.Context, id string, progress provider.Progress) error {
	if _, err := m.GetInstance(ctx, id); err != nil {
		return err
	}
	return m.Provider.DeleteInstance(ctx, id, progress)
}

type keepsAll struct{ broken }

func (keepsAll) DeleteInstance(context.Context, string, provider.Progress) error { return nil }

// stuckAfterConflict cannot delete what it refused to change, until it is started anew.
func stuckAfterConflict() grpc.UnaryClientInterceptor {
	var conflicted notes[any]
	return around(func(c unaryCall) error {
		now := c.command()
		if now != nil && c.is("/DeleteInstance") && conflicted.get(now.GetId()) == c.process {
			return wire.ToStatus(fault.New(fault.BadState, "I am confused"))
		}
		err := c.send()
		if now != nil && fault.ReasonOf(wire.FromStatus(err)) == fault.SpecConflict {
			conflicted.set(now.GetId(), c.process)
		}
		return err
	})
}

// alwaysReady believes that whatever has its tag is whole.
type alwaysReady struct{ broken }

func (alwaysReady) believed(i provider.Instance) provider.Instance {
	if i.Failure != nil && i.Failure.Reason == fault.Interrupted {
		i.Phase, i.Failure = provider.PhaseReady, nil
	}
	return i
}

func (m alwaysReady) GetInstance(ctx context.Context, id string) (provider.Instance, error) {
	i, err := m.Provider.GetInstance(ctx, id)
	return m.believed(i), err
}

func (m alwaysReady) ListInstances(ctx context.Context) ([]provider.Instance, error) {
	all, err := m.Provider.ListInstances(ctx)
	for n, i := range all {
		all[n] = m.believed(i)
	}
	return all, err
}

// tagsLast does not see what is half made, as if its tag were not there yet.
type tagsLast struct{ broken }

func (tagsLast) untagged(i provider.Instance) bool {
	return i.Phase == provider.PhaseFailed && i.Generation == 1
}

func (l tagsLast) GetInstance(ctx context.Context, id string) (provider.Instance, error) {
	i, err := l.Provider.GetInstance(ctx, id)
	if err == nil && l.untagged(i) {
		err = fault.New(fault.NoSuchObject, "not there")
	}
	return i, err
}

func (l tagsLast) ListInstances(ctx context.Context) ([]provider.Instance, error) {
	all, err := l.Provider.ListInstances(ctx)
	var tagged []provider.Instance
	for _, i := range all {
		if !l.untagged(i) {
			tagged = append(tagged, i)
		}
	}
	return tagged, err
}

type newHosts struct {
	broken
	id string
}

func (n newHosts) ListHosts(ctx context.Context) ([]provider.Host, error) {
	all, err := n.Provider.ListHosts(ctx)
	for i := range all {
		all[i].ID = n.id
	}
	return all, err
}

func (n newHosts) ListRouters(ctx context.Context) ([]provider.Router, error) {
	all, err := n.Provider.ListRouters(ctx)
	for i := range all {
		all[i].ID = n.id
	}
	return all, err
}

type alwaysOn struct{ broken }

func (a alwaysOn) ApplyInstance(ctx context.Context, s provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	s.Power = provider.PowerRunning
	return a.Provider.ApplyInstance(ctx, s, progress)
}

type forgetsReboot struct{ broken }

func (f forgetsReboot) GetInstance(ctx context.Context, id string) (provider.Instance, error) {
	i, err := f.Provider.GetInstance(ctx, id)
	i.LastRebootOperationID = ""
	return i, err
}

type wholeOnly struct{ broken }

func (w wholeOnly) GetImage(ctx context.Context, sum string) (provider.Image, error) {
	i, err := w.Provider.GetImage(ctx, sum)
	if err == nil && !i.Ready {
		err = fault.New(fault.NoSuchObject, "not there")
	}
	return i, err
}

// credulous takes content without a look at it.
type credulous struct{ broken }

func (credulous) PutImage(_ context.Context, ref provider.ImageRef, _ int64, content io.Reader) (provider.Image, error) {
	_, err := io.Copy(io.Discard, content)
	return provider.Image{ImageRef: ref, OffsetBytes: ref.SizeBytes, Ready: true}, err
}

// opensBacking takes what names another file.
type opensBacking struct{ broken }

func (m opensBacking) PutImage(ctx context.Context, ref provider.ImageRef, offset int64, content io.Reader) (provider.Image, error) {
	if ref.Format == provider.ImageQCOW2 {
		return credulous(m).PutImage(ctx, ref, offset, content)
	}
	return m.Provider.PutImage(ctx, ref, offset, content)
}

type keepsRefused struct{ broken }

func (k keepsRefused) PutImage(ctx context.Context, ref provider.ImageRef, offset int64, content io.Reader) (provider.Image, error) {
	i, err := k.Provider.PutImage(ctx, ref, offset, content)
	if errors.Is(err, &fault.Error{Reason: fault.DigestMismatch}) {
		if _, err := k.Provider.PutImage(ctx, ref, 0, strings.NewReader("part")); err != nil {
			return i, err
		}
	}
	return i, err
}

type deletesUsed struct{ broken }

func (d deletesUsed) DeleteImage(ctx context.Context, sum string) error {
	if err := d.Provider.DeleteImage(ctx, sum); !errors.Is(err, &fault.Error{Reason: fault.InUse}) {
		return err
	}
	return nil
}

type needsNoImage struct{ broken }

func (n needsNoImage) ApplyInstance(ctx context.Context, s provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	images, err := n.ListImages(ctx)
	if err != nil {
		return provider.Instance{}, err
	}
	s.Image.SHA256 = images[0].SHA256
	return n.Provider.ApplyInstance(ctx, s, progress)
}

type newKeys struct{ broken }

func (n newKeys) GetNetwork(ctx context.Context, id string) (provider.Network, error) {
	got, err := n.Provider.GetNetwork(ctx, id)
	if got.Generation == 2 {
		got.WireGuardPublicKey = strings.Repeat("A", 43) + "="
	}
	return got, err
}

// resetsPeers loses what peers did when another comes.
type resetsPeers struct {
	broken
	mu      sync.Mutex
	applied int64
}

func (r *resetsPeers) ApplyPeer(ctx context.Context, s provider.PeerSpec, progress provider.Progress) (provider.Peer, error) {
	r.mu.Lock()
	r.applied++
	r.mu.Unlock()
	return r.Provider.ApplyPeer(ctx, s, progress)
}

func (r *resetsPeers) GetPeer(ctx context.Context, id string) (provider.Peer, error) {
	p, err := r.Provider.GetPeer(ctx, id)
	r.mu.Lock()
	defer r.mu.Unlock()
	p.ReceivedBytes = 1000 - r.applied
	return p, err
}
