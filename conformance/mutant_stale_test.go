// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// staleMutants work for who is late, or let one change break another thing.
func staleMutants() []mutant {
	var names notes[string] // of ports
	var known notes[bool]   // ids that commands were for
	return []mutant{
		{name: "works on a stale attempt", caught: "INSTANCE-STALE-001", unary: oneMoreFor(func(c, before *pb.Command) bool {
			return c.GetFence() < before.GetFence()
		})},
		{name: "lets the last one to arrive win", caught: "INSTANCE-STALE-002", unary: lastWins()},
		{name: "goes on where a List was cut", caught: "LIST-CUT-001", stream: listsTheRest()},
		{name: "refuses the future's specs", caught: "INSTANCE-TOLERANCE-001", unary: refuses(func(r *pb.ApplyInstanceRequest) error {
			if len(r.GetSpec().ProtoReflect().GetUnknown()) > 0 {
				return status.Error(codes.InvalidArgument, "what is that?")
			}
			return nil
		})},
		{name: "trusts an old handle", caught: "INSTANCE-HANDLE-001", unary: trustsHandles},
		{name: "cancels what it never saw", caught: "PROVIDER-CANCEL-003",
			unary: around(func(c unaryCall) error {
				if now := c.command(); now != nil && !c.is("/Cancel") {
					known.set(now.GetId(), true)
				}
				if r, ok := c.req.(*pb.CancelRequest); ok && r.GetKind() == pb.Kind_KIND_NETWORK && !known.get(r.GetId()) {
					c.reply.(*pb.CancelResponse).Outcome = pb.CancelResponse_OUTCOME_CANCELED
					return nil
				}
				return c.send()
			})},
		{name: "tells a secret that it refuses", caught: "PROVIDER-SECRET-002", unary: tells(func(r *pb.ConfigureRequest) string {
			for _, secret := range r.GetSecrets() {
				return string(secret)
			}
			return ""
		})},
		{name: "deletes the image with its instance", caught: "IMAGE-KEEP-001",
			unary: after(func(*pb.DeleteInstanceRequest, error) bool { return true }, func(_ *pb.GetImageResponse) error {
				return wire.ToStatus(fault.New(fault.NoSuchObject, "it went with its instance"))
			})},
		{name: "loses the ports when the network changes", caught: "NETWORK-UPDATE-001",
			unary: after(func(r *pb.ApplyNetworkRequest, _ error) bool { return r.GetCommand().GetGeneration() > 1 }, func(_ *pb.GetPortResponse) error {
				return wire.ToStatus(fault.New(fault.NoSuchObject, "it went with the interface"))
			})},
		{name: "cannot rename a port", caught: "PORT-UPDATE-001", unary: refuses(func(r *pb.ApplyPortRequest) error {
			id, name := r.GetCommand().GetId(), r.GetSpec().GetHostname()
			if was := names.get(id); was != "" && was != name {
				return wire.ToStatus(fault.New(fault.BackendRefused, "it has a name"))
			}
			names.set(id, name)
			return nil
		})},
		{name: "falls over one bad peer", caught: "PEER-BAD-001",
			unary: after(func(_ *pb.ApplyPeerRequest, err error) bool { return ofSpec(err) }, func(r *pb.GetPeerResponse) error {
				r.Peer.Observed.Phase = pb.Phase_PHASE_FAILED
				return nil
			})},
	}
}

// trustsHandles gives a handle for each generation, and deletes nothing by one that is not the newest.
func trustsHandles(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
	if r, ok := req.(*pb.DeleteInstanceRequest); ok && string(r.GetCommand().GetBackendHandle()) == "generation 1" {
		return nil
	}
	err := invoke(ctx, method, req, reply, cc, o...)
	var observed *pb.Observed
	switch r := reply.(type) {
	case *pb.ApplyInstanceResponse:
		observed = r.GetInstance().GetObserved()
	case *pb.GetInstanceResponse:
		observed = r.GetInstance().GetObserved()
	}
	if observed != nil {
		observed.BackendHandle = []byte(fmt.Sprintf("generation %d", observed.GetGeneration()))
	}
	return err
}

// oneMoreFor makes another instance of each Apply that is, beside the one before for its id, as wrong says.
func oneMoreFor(wrong func(c, before *pb.Command) bool) grpc.UnaryClientInterceptor {
	var mu sync.Mutex
	seen := map[string]*pb.Command{}
	return request(func(r *pb.ApplyInstanceRequest) {
		mu.Lock()
		defer mu.Unlock()
		c := r.GetCommand()
		before := seen[c.GetId()]
		seen[c.GetId()] = proto.Clone(c).(*pb.Command)
		if before != nil && wrong(c, before) {
			c.Id, c.Fence = c.GetId()[:len(c.GetId())-1]+"e", math.MaxUint64
		}
	})
}

func lastWins() grpc.UnaryClientInterceptor {
	highest := map[string]int64{}
	return request(func(r *pb.ApplyInstanceRequest) {
		c := r.GetCommand()
		if c.GetGeneration() < highest[c.GetId()] {
			c.Generation, c.Fence = highest[c.GetId()]+1, math.MaxUint64
		}
		highest[c.GetId()] = c.GetGeneration()
	})
}

// listsTheRest leaves out of a List what the one before, which was not read to its end, has shown.
func listsTheRest() grpc.StreamClientInterceptor {
	shown := 0
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, s grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
		stream, err := s(ctx, desc, cc, method, o...)
		if err != nil || !strings.HasSuffix(method, "/ListInstances") {
			return stream, err
		}
		return &restStream{stream, shown, &shown}, nil
	}
}

type restStream struct {
	grpc.ClientStream
	skip  int
	shown *int
}

func (s *restStream) RecvMsg(m any) error {
	for ; s.skip > 0; s.skip-- {
		if err := s.ClientStream.RecvMsg(m); err != nil {
			return err
		}
		proto.Reset(m.(proto.Message))
	}
	err := s.ClientStream.RecvMsg(m)
	*s.shown++
	if err != nil {
		*s.shown = 0
	}
	return err
}

// refuses asks wrong before it lets a request pass.
func refuses[Req any](wrong func(*Req) error) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		if r, ok := req.(*Req); ok {
			if err := wrong(r); err != nil {
				return err
			}
		}
		return invoke(ctx, method, req, reply, cc, o...)
	}
}

// tells adds what of returns to every refusal.
func tells[Req any](of func(*Req) string) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		err := invoke(ctx, method, req, reply, cc, o...)
		if r, ok := req.(*Req); ok && err != nil {
			st := status.Convert(err).Proto()
			st.Message += ": " + of(r)
			return status.ErrorProto(st)
		}
		return err
	}
}

// after breaks the good answers to one call, from when another was such that it happened.
func after[Req, Reply any](happened func(*Req, error) bool, change func(*Reply) error) grpc.UnaryClientInterceptor {
	var mu sync.Mutex
	broken := false
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		err := invoke(ctx, method, req, reply, cc, o...)
		mu.Lock()
		defer mu.Unlock()
		if r, ok := req.(*Req); ok {
			broken = broken || happened(r, err)
		}
		if r, ok := reply.(*Reply); ok && broken && err == nil {
			return change(r)
		}
		return err
	}
}
