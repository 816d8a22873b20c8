// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/pluginhost"
	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// script is a provider that says what a test wants.
type script struct {
	pb.UnimplementedProviderServiceServer
	watch func(stream grpc.ServerStreamingServer[pb.WatchResponse]) error
}

func (*script) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	return &pb.DescribeResponse{
		Name: "evil\x1b]0;pwned\a", Version: strings.Repeat("v", 10_000), Services: []string{"network", "\u202ecompute"},
		Capabilities: []*pb.Capability{{Name: "pee\nrs"}},
	}, nil
}

func (*script) Configure(context.Context, *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	return &pb.ConfigureResponse{Warnings: []string{"a\nb"}}, nil
}

func (s *script) Watch(_ *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
	return s.watch(stream)
}

func (r *rig) startScript(m member, watch func(grpc.ServerStreamingServer[pb.WatchResponse]) error) {
	d, _ := r.dialer(m, func(s grpc.ServiceRegistrar) { pb.RegisterProviderServiceServer(s, &script{watch: watch}) }, "p")
	run(r.t, d)
}

var snapshotEnd = &pb.WatchResponse{Event: &pb.WatchResponse_SnapshotEnd{SnapshotEnd: &pb.SnapshotEnd{}}}

func TestSilenceDetaches(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m := r.join("r1")
	r.startScript(m, func(s grpc.ServerStreamingServer[pb.WatchResponse]) error {
		if err := s.Send(snapshotEnd); err != nil {
			return err
		}
		<-s.Context().Done()
		return s.Context().Err()
	})
	r.waitReady(m.id)
	began := time.Now()
	r.observer.wait(t, 1, "detached "+m.id, "silent")
	if took := time.Since(began); took < time.Second {
		t.Errorf("silent after %s, three heartbeats are 1.5 s", took)
	}
	r.waitReady(m.id) // it comes back by itself
}

func TestASlowObserverIsNotTheProvidersSilence(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m := r.join("r1")
	r.observer.slow = 2 * time.Second
	r.start(m, memory.NewBackend())
	r.waitReady(m.id)
	r.observer.wait(t, 3, "seen "+m.id)
	if n := r.observer.count("detached"); n != 0 {
		t.Error("detached because the observer is slow")
	}
}

func TestAStreamThatEndsIsOpenedAgain(t *testing.T) {
	r := newRig(t)
	m := r.join("r1")
	r.startScript(m, func(s grpc.ServerStreamingServer[pb.WatchResponse]) error { return s.Send(snapshotEnd) })
	r.waitReady(m.id)
	r.observer.wait(t, 1, "detached "+m.id, "connection was lost")
	r.waitReady(m.id)
}

// A provider that can be attached, but never begun with, must not come back as fast as one whose connection was lost.
func TestAProviderThatCannotBeginIsLeftAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startScript(r.join("r1"), func(grpc.ServerStreamingServer[pb.WatchResponse]) error {
		return status.Error(codes.Internal, "I can't")
	})
	r.log.wait(t, 1, "provider detached", "provider=r1")
	time.Sleep(2 * time.Second) // time for twenty attempts
	if n := r.log.count("provider detached"); n > 2 {
		t.Errorf("attached and detached %d times", n)
	}
}

func TestWhatAProviderSaysIsCleaned(t *testing.T) {
	r := newRig(t)
	m := r.join("r1")
	long := strings.Repeat("é", 1000)
	r.startScript(m, func(s grpc.ServerStreamingServer[pb.WatchResponse]) error {
		labels := map[string]string{}
		for i := range 300 {
			labels[strings.Repeat("k", i)] = long
		}
		for _, e := range []*pb.WatchResponse{
			{Event: &pb.WatchResponse_Host{Host: &pb.Host{Id: "h\x00", Name: "\x1b[2Jhost", Labels: labels, Capacity: map[string]int64{"vcpus": -5}}}},
			snapshotEnd,
			{Event: &pb.WatchResponse_Status{Status: &pb.Status{State: pb.Status_STATE_DEGRADED, Message: "a\rb\u202e" + long}}},
			{Event: &pb.WatchResponse_Log{Log: &pb.LogRecord{Level: 4, Message: "fake\nlevel=ERROR", Attributes: map[string]string{"provider": "other"}}}},
			{},
			{Event: &pb.WatchResponse_Network{Network: &pb.Network{Observed: &pb.Observed{
				Id: "n", Percent: 5000, Step: "x\ty", BackendHandle: make([]byte, 5000), Phase: pb.Phase_PHASE_FAILED,
				Failure: &pb.Failure{Code: 99, Reason: "MADE UP!", Message: "boo\x07"},
			}}}},
		} {
			if err := s.Send(e); err != nil {
				return err
			}
		}
		<-s.Context().Done()
		return nil
	})
	r.waitReady(m.id)
	r.observer.wait(t, 1, "observed "+m.id)
	info, host, net := r.observer.infos[0], r.observer.snapshots[0].Hosts[0], r.observer.changes[0].Network
	if info.Plugin != "evil]0;pwned" || len(info.Version) > 200 || info.Services[1] != "compute" || info.Capabilities[0] != "peers" {
		t.Errorf("info %+v", info)
	}
	if host.ID != "h" || host.Name != "[2Jhost" || len(host.Labels) > 256 || host.Capacity["vcpus"] != 0 {
		t.Errorf("host %q %q, %d labels, %v", host.ID, host.Name, len(host.Labels), host.Capacity)
	}
	if net.Percent != 100 || net.Step != "xy" || net.BackendHandle != nil || net.Failure.Reason != fault.Bug ||
		net.Failure.Code != fault.Internal || net.Failure.Message != "boo" {
		t.Errorf("network %+v, failure %+v", net.Observed, net.Failure)
	}
	r.observer.wait(t, 1, "seen "+m.id+" degraded abéé")
	r.log.wait(t, 1, "fakelevel=ERROR", "provider=r1", "remote.provider=other")
}

func TestARefusedConfigurationIsShown(t *testing.T) {
	r := newRig(t)
	m, b := r.join("r1"), memory.NewBackend()
	b.Inject(memory.Fault{Verb: "Configure", Err: fault.Invalid("/bridge", "there is no br7")})
	r.start(m, b)
	r.observer.wait(t, 1, "seen "+m.id+" degraded", "/bridge", "br7")
	if n := r.observer.count("attached"); n != 0 {
		t.Error("it was attached without a configuration")
	}
	_, err := r.host.Network(m.id)
	wantReason(t, err, fault.ProviderAway)
}

func TestABackendThatIsDownIsShown(t *testing.T) {
	r := newRig(t)
	m, b := r.join("r1"), memory.NewBackend()
	r.start(m, b)
	r.waitReady(m.id)
	b.SetDown(true)
	r.observer.wait(t, 1, "seen "+m.id+" degraded", "does not answer")
	b.SetDown(false)
	seen := r.observer.count("seen " + m.id + " ready")
	r.observer.wait(t, seen+1, "seen "+m.id+" ready")
}

func TestACoreThatStopsSaysSo(t *testing.T) {
	r := newRig(t)
	m := r.join("r1")
	r.start(m, memory.NewBackend())
	r.waitReady(m.id)
	r.stop()
	r.observer.wait(t, 1, "detached "+m.id, "the core stops")
	_, err := r.host.Network(m.id)
	wantReason(t, err, fault.ProviderAway)
}

// object is a network service whose state a test decides.
type object struct {
	pb.UnimplementedNetworkServiceServer
	applied, got func() (*pb.Observed, error)
}

func (o *object) ApplyNetwork(context.Context, *pb.ApplyNetworkRequest) (*pb.ApplyNetworkResponse, error) {
	observed, err := o.applied()
	return &pb.ApplyNetworkResponse{Network: &pb.Network{Observed: observed}}, err
}

func (o *object) GetNetwork(context.Context, *pb.GetNetworkRequest) (*pb.GetNetworkResponse, error) {
	observed, err := o.got()
	return &pb.GetNetworkResponse{Network: &pb.Network{Observed: observed}}, err
}

// TestStaleReportsAreNotBelieved lets a failure of an earlier attempt arrive behind the command that began anew.
func TestStaleReportsAreNotBelieved(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m := r.join("r1")
	id := newID()
	spec := netSpec(t, id, 2)
	at := func(generation int64, phase pb.Phase) *pb.Observed {
		return &pb.Observed{Id: id, Generation: generation, SpecDigest: spec.SpecDigest, Phase: phase, Step: "working"}
	}
	reports := make(chan *pb.Observed)
	asked := make(chan struct{}, 100)
	o := &object{
		applied: func() (*pb.Observed, error) { return at(2, pb.Phase_PHASE_PROGRESSING), nil },
		got: func() (*pb.Observed, error) {
			asked <- struct{}{}
			return at(2, pb.Phase_PHASE_PROGRESSING), nil
		},
	}
	d, _ := r.dialer(m, func(s grpc.ServiceRegistrar) {
		pb.RegisterNetworkServiceServer(s, o)
		pb.RegisterProviderServiceServer(s, &script{watch: func(s grpc.ServerStreamingServer[pb.WatchResponse]) error {
			if err := s.Send(snapshotEnd); err != nil {
				return err
			}
			for {
				event := &pb.WatchResponse{Event: &pb.WatchResponse_Heartbeat{Heartbeat: &pb.Heartbeat{}}}
				select {
				case report := <-reports:
					event = &pb.WatchResponse{Event: &pb.WatchResponse_Network{Network: &pb.Network{Observed: report}}}
				case <-time.After(100 * time.Millisecond):
				case <-s.Context().Done():
					return nil
				}
				if err := s.Send(event); err != nil {
					return err
				}
			}
		}})
	}, "p")
	run(t, d)
	r.waitReady(m.id)
	done := make(chan error, 1)
	go func() {
		n, err := r.network(m.id).ApplyNetwork(within(t), 1, spec, nil)
		if err == nil && n.Phase != provider.PhaseReady {
			err = fault.New(fault.Bug, "%+v", n)
		}
		done <- err
	}()
	for _, stale := range []*pb.Observed{at(2, pb.Phase_PHASE_FAILED), at(1, pb.Phase_PHASE_READY), at(1, pb.Phase_PHASE_FAILED)} {
		<-asked // the call waits
		reports <- stale
	}
	<-asked
	select {
	case err := <-done:
		t.Fatalf("a stale report ended the call: %v", err)
	default:
	}
	reports <- at(2, pb.Phase_PHASE_READY)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestProvidersOfACoreThatDiedAreDetachedAtStart(t *testing.T) {
	r := newRig(t)
	m, joining := r.join("r1"), r.join("r2")
	err := r.store.Update(t.Context(), func(tx core.Tx) error {
		p, err := tx.Providers().Get(m.id)
		if err != nil {
			return err
		}
		p.Status.State = core.ProviderReady
		return tx.Providers().Update(p)
	})
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	next := pluginhost.New(pluginhost.Options{
		Store: r.store, Authority: r.ca, Observer: r.observer, Now: r.clock.now, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- next.Serve(ctx, listen(t)) }()
	r.observer.wait(t, 1, "detached "+m.id, "since the core started")
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if n := r.observer.count("detached " + joining.id); n != 0 {
		t.Error("one that never came was detached")
	}
}
