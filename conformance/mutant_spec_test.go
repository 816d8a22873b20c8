// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"slices"
	"strings"
	"sync"
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

// specMutants believe what they are told, or tell on what they were told.
func specMutants() []mutant {
	return []mutant{
		{name: "makes what nobody can run", caught: "INSTANCE-SPEC-001", unary: believes[pb.ApplyInstanceRequest]()},
		{name: "believes every network", caught: "NETWORK-SPEC-001", unary: believes[pb.ApplyNetworkRequest]()},
		{name: "believes every port", caught: "PORT-SPEC-001", unary: believes[pb.ApplyPortRequest]()},
		{name: "believes every peer", caught: "PEER-SPEC-001", unary: believes[pb.ApplyPeerRequest]()},
		{name: "turns ranges of ports around", caught: "FORWARD-SPEC-001",
			unary: request(func(r *pb.ApplyForwardRequest) { r.Spec.PortMax = max(r.Spec.GetPortMin(), r.Spec.GetPortMax()) })},
		{name: "gives volumes a size of its own", caught: "VOLUME-SPEC-001",
			unary: request(func(r *pb.ApplyVolumeRequest) { r.Spec.SizeBytes = max(r.Spec.GetSizeBytes(), 1<<20) })},
		{name: "guesses what a snapshot is of", caught: "SNAPSHOT-SPEC-001",
			unary: request(func(r *pb.ApplySnapshotRequest) {
				if r.Spec.GetInstanceId() != "" {
					r.Spec.VolumeId = ""
				}
			})},
		{name: "makes forwards into no network", caught: "FORWARD-FAILED-001",
			unary: answer(func(r *pb.ApplyForwardResponse, err error) error {
				if fault.ReasonOf(wire.FromStatus(err)) == fault.NoSuchObject {
					r.Forward = &pb.Forward{Observed: &pb.Observed{Phase: pb.Phase_PHASE_READY}}
					return nil
				}
				return err
			})},
		{name: "attaches volumes to nothing", caught: "VOLUME-FAILED-001",
			provider: func(p *memory.Provider) provider.Provider { return attachesLater{broken{p}} }},
		{name: "takes snapshots of nothing", caught: "SNAPSHOT-FAILED-001",
			unary: answer(func(r *pb.ApplySnapshotResponse, err error) error {
				if fault.ReasonOf(wire.FromStatus(err)) == fault.NoSuchObject {
					r.Snapshot = &pb.Snapshot{Observed: &pb.Observed{Phase: pb.Phase_PHASE_READY}}
					return nil
				}
				return err
			})},
		{name: "remembers failures for ever", caught: "INSTANCE-FAILED-001", unary: remembersFailures()},
		{name: "makes ports of no network", caught: "PORT-FAILED-001",
			unary: answer(func(r *pb.ApplyPortResponse, err error) error {
				if fault.ReasonOf(wire.FromStatus(err)) == fault.NoSuchObject {
					r.Port = &pb.Port{Observed: &pb.Observed{Phase: pb.Phase_PHASE_READY}}
					return nil
				}
				return err
			})},
		{name: "makes peers of no network", caught: "PEER-FAILED-001",
			unary: answer(func(r *pb.ApplyPeerResponse, err error) error {
				if fault.ReasonOf(wire.FromStatus(err)) == fault.NoSuchObject {
					r.Peer = &pb.Peer{Observed: &pb.Observed{Phase: pb.Phase_PHASE_READY}}
					return nil
				}
				return err
			})},
		{name: "describes its mood", caught: "PROVIDER-STATIC-001", unary: changesItsVersion()},
		{name: "quotes its configuration", caught: "PROVIDER-SECRET-001", unary: quotesConfiguration()},
		{name: "dies of large messages", caught: "PROVIDER-LARGE-001", unary: diesOfLarge()},
		{name: "resumes what it does not know", caught: "WATCH-RESUME-001", stream: resumesAnything()},
		{name: "shows what it was told", caught: "INSTANCE-SECRET-001", unary: showsUserData()},
		{name: "pastes text into documents", caught: "INSTANCE-HOSTILE-001", unary: pastes()},
	}
}

// believes lets one kind of request pass whatever is wrong with its spec.
func believes[Req any]() grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		err := invoke(ctx, method, req, reply, cc, o...)
		if _, ok := req.(*Req); ok && ofSpec(err) {
			return nil
		}
		return err
	}
}

// ofSpec reports whether a refusal is of the spec, and not of the command that it came with.
func ofSpec(err error) bool {
	f := fault.Of(wire.FromStatus(err))
	return f != nil && f.Reason == fault.InvalidField && !slices.ContainsFunc(f.Fields, func(v fault.FieldViolation) bool { return v.Field == "/id" })
}

// attachesLater makes a volume without the instance that is not there.
type attachesLater struct{ broken }

func (m attachesLater) ApplyVolume(ctx context.Context, s provider.VolumeSpec, progress provider.Progress) (provider.Volume, error) {
	v, err := m.Provider.ApplyVolume(ctx, s, progress)
	if fault.ReasonOf(err) == fault.NoSuchObject {
		s.InstanceID = ""
		return m.Provider.ApplyVolume(ctx, s, progress)
	}
	return v, err
}

func remembersFailures() grpc.UnaryClientInterceptor {
	var failures sync.Map
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		err := invoke(ctx, method, req, reply, cc, o...)
		switch r := req.(type) {
		case *pb.ApplyInstanceRequest:
			if fault.ReasonOf(wire.FromStatus(err)) == fault.ImageMissing {
				failures.Store(r.GetCommand().GetId(), true)
			}
		case *pb.GetInstanceRequest:
			if _, failed := failures.Load(r.GetId()); failed {
				reply.(*pb.GetInstanceResponse).Instance = &pb.Instance{Observed: &pb.Observed{Id: r.GetId(), Phase: pb.Phase_PHASE_FAILED}}
				err = nil
			}
		}
		return err
	}
}

func changesItsVersion() grpc.UnaryClientInterceptor {
	var asked atomic.Int32
	return answer(func(d *pb.DescribeResponse, err error) error {
		d.Version += strings.Repeat("!", int(asked.Add(1)))
		return err
	})
}

func quotesConfiguration() grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		err := invoke(ctx, method, req, reply, cc, o...)
		if r, ok := req.(*pb.ConfigureRequest); ok && err != nil {
			quoted := status.Convert(err).Proto()
			quoted.Message += " in " + r.GetConfigJson()
			return status.FromProto(quoted).Err()
		}
		return err
	}
}

func diesOfLarge() grpc.UnaryClientInterceptor {
	var died atomic.Bool
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		if m, ok := req.(proto.Message); ok && proto.Size(m) > 16<<20 {
			died.Store(true)
			return status.Error(codes.Unavailable, "out of memory")
		}
		err := invoke(ctx, method, req, reply, cc, o...)
		if d, ok := reply.(*pb.DescribeResponse); ok && died.Load() {
			d.ProcessId = "another"
		}
		return err
	}
}

// resumesAnything leaves the snapshot out for whoever has a token.
func resumesAnything() grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, s grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
		stream, err := s(ctx, desc, cc, method, o...)
		if err != nil || !strings.HasSuffix(method, "/Watch") {
			return stream, err
		}
		return &resumed{ClientStream: stream}, nil
	}
}

type resumed struct {
	grpc.ClientStream
	skip bool
}

func (s *resumed) SendMsg(m any) error {
	s.skip = m.(*pb.WatchRequest).GetResumeToken() != ""
	return s.ClientStream.SendMsg(m)
}

func (s *resumed) RecvMsg(m any) error {
	for {
		if err := s.ClientStream.RecvMsg(m); err != nil {
			return err
		}
		if !s.skip || m.(*pb.WatchResponse).GetInstance() == nil {
			return nil
		}
	}
}

// showsUserData puts what an instance was told into its name in the backend.
func showsUserData() grpc.UnaryClientInterceptor {
	var told sync.Map
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		err := invoke(ctx, method, req, reply, cc, o...)
		switch r := req.(type) {
		case *pb.ApplyInstanceRequest:
			told.Store(r.GetCommand().GetId(), r.GetSpec().GetCloudInit().GetUserData())
		case *pb.GetInstanceRequest:
			if data, ok := told.Load(r.GetId()); ok && err == nil {
				reply.(*pb.GetInstanceResponse).Instance.Observed.BackendRef += data.(string)
			}
		}
		return err
	}
}

// pastes makes a second domain of text that ends the first one.
func pastes() grpc.UnaryClientInterceptor {
	return onApply(func(ctx context.Context, r *pb.ApplyInstanceRequest, send func(context.Context) error) error {
		if strings.Contains(r.GetSpec().GetCloudInit().GetUserData(), "</domain>") {
			id := r.GetCommand().GetId()
			r.Command.Id = id[:len(id)-2] + "ee"
			if err := send(ctx); err != nil {
				return err
			}
			r.Command.Id = id
		}
		return send(ctx)
	})
}
