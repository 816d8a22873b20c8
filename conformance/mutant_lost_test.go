// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"maps"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// lostMutants are broken where a bad network, or a core that dies, comes between.
func lostMutants() []mutant {
	var unread atomic.Int32 // watches that nobody has read yet
	return []mutant{
		{name: "makes another when it is asked again", caught: "INSTANCE-LOST-001", unary: makesAnother()},
		{name: "cannot repeat a Delete", caught: "INSTANCE-LOST-002", unary: deletesOnce()},
		{name: "forgets a Delete of nothing", caught: "INSTANCE-LATE-001", unary: ignoresEmptyDeletes()},
		{name: "knows the fences of its own life only", caught: "INSTANCE-LATE-002",
			unary: request(func(r *pb.ConfigureRequest) { r.FenceFloor = 1 })},
		{name: "deletes for whoever is late", caught: "INSTANCE-LATE-003",
			unary: commands(func(method string, c *pb.Command) {
				if strings.HasSuffix(method, "/DeleteInstance") {
					c.Fence = math.MaxUint64
				}
			})},
		{name: "takes the same fence for an old one", caught: "INSTANCE-LATE-004", unary: newFencesOnly()},
		{name: "drops its work with the connection", caught: "INSTANCE-CUT-001", unary: dropsWithTheCall()},
		{name: "does not stop for a Delete", caught: "INSTANCE-OVERTAKE-001", unary: deletesNothingThatRuns()},
		{name: "tries again by itself", caught: "INSTANCE-OVERTAKE-002", unary: resurrects()},
		{name: "dies with all it has", caught: "INSTANCE-RESTART-001", amnesia: true},
		{name: "shows everything once in its life", caught: "WATCH-CUT-001", stream: hidesShown(false)},
		{name: "works for readers only", caught: "WATCH-SLOW-001", unary: waitsForReaders(&unread), stream: countsUnread(&unread)},
		{name: "tells one reader only", caught: "WATCH-MANY-001",
			stream: hidesShown(true)},
		{name: "takes a part for the whole", caught: "IMAGE-CUT-001",
			unary: answer(func(r *pb.GetImageResponse, err error) error {
				if r.GetImage() != nil {
					r.Image.Ready, r.Image.OffsetBytes = true, r.Image.GetSizeBytes()
				}
				return err
			}), stream: keepsUploads()},
	}
}

// onApply runs f around every Apply of an instance.
func onApply(f func(ctx context.Context, r *pb.ApplyInstanceRequest, invoke func(context.Context) error) error) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		send := func(ctx context.Context) error { return invoke(ctx, method, req, reply, cc, o...) }
		if r, ok := req.(*pb.ApplyInstanceRequest); ok {
			return f(ctx, r, send)
		}
		return send(ctx)
	}
}

func makesAnother() grpc.UnaryClientInterceptor {
	var mu sync.Mutex
	asked := map[string]int{}
	return onApply(func(ctx context.Context, r *pb.ApplyInstanceRequest, send func(context.Context) error) error {
		id := r.GetCommand().GetId()
		mu.Lock()
		asked[id]++
		again := asked[id] == 2
		mu.Unlock()
		if again {
			r.Command.Id = id[:len(id)-2] + "ee"
			if err := send(ctx); err != nil {
				return err
			}
			r.Command.Id = id
		}
		return send(ctx)
	})
}

func deletesOnce() grpc.UnaryClientInterceptor {
	var deleted sync.Map
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		if r, ok := req.(*pb.DeleteInstanceRequest); ok {
			if _, again := deleted.LoadOrStore(r.GetCommand().GetId(), true); again {
				return wire.ToStatus(fault.New(fault.NoSuchObject, "it is deleted already"))
			}
		}
		return invoke(ctx, method, req, reply, cc, o...)
	}
}

func ignoresEmptyDeletes() grpc.UnaryClientInterceptor {
	var applied sync.Map
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		switch r := req.(type) {
		case *pb.ApplyInstanceRequest:
			applied.Store(r.GetCommand().GetId(), true)
		case *pb.DeleteInstanceRequest:
			if _, there := applied.Load(r.GetCommand().GetId()); !there {
				return nil
			}
		}
		return invoke(ctx, method, req, reply, cc, o...)
	}
}

func newFencesOnly() grpc.UnaryClientInterceptor {
	var seen sync.Map
	return onApply(func(ctx context.Context, r *pb.ApplyInstanceRequest, send func(context.Context) error) error {
		if _, again := seen.LoadOrStore(r.GetCommand().GetFence(), true); again {
			return wire.ToStatus(fault.New(fault.Fenced, "that fence was here before"))
		}
		return send(ctx)
	})
}

// dropsWithTheCall leaves an object progressing for ever when the call that began it ended.
func dropsWithTheCall() grpc.UnaryClientInterceptor {
	var dropped sync.Map
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		err := invoke(ctx, method, req, reply, cc, o...)
		// A call that is to be cut has next to no time, whether or not it was cut already.
		if end, ok := ctx.Deadline(); ok && time.Until(end) < time.Second {
			if r, ok := req.(*pb.ApplyInstanceRequest); ok {
				dropped.Store(r.GetCommand().GetId(), true)
			}
		}
		if r, ok := reply.(*pb.GetInstanceResponse); ok && r.GetInstance() != nil {
			if _, is := dropped.Load(r.GetInstance().GetObserved().GetId()); is {
				r.Instance.Observed.Phase = pb.Phase_PHASE_PROGRESSING
			}
		}
		return err
	}
}

// deletesNothingThatRuns lets the first work for an id go on when it is to be deleted.
func deletesNothingThatRuns() grpc.UnaryClientInterceptor {
	var applied notes[int]
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		switch r := req.(type) {
		case *pb.ApplyInstanceRequest:
			applied.change(r.GetCommand().GetId(), func(n int) int { return n + 1 })
		case *pb.DeleteInstanceRequest:
			id := r.GetCommand().GetId()
			now, err := pb.NewInstanceServiceClient(cc).GetInstance(ctx, &pb.GetInstanceRequest{Id: id})
			if err == nil && now.GetInstance().GetObserved().GetPhase() == pb.Phase_PHASE_PROGRESSING && applied.get(id) == 1 {
				return nil
			}
		}
		return invoke(ctx, method, req, reply, cc, o...)
	}
}

// fourthTime is one Delete more than most cases send for one id.
const fourthTime = 4

// resurrects applies an object again that was deleted for the fourth time, when somebody has seen that it is gone.
func resurrects() grpc.UnaryClientInterceptor {
	var last notes[*pb.ApplyInstanceRequest]
	var deleted notes[int]
	var gone notes[bool]
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		switch r := req.(type) {
		case *pb.ApplyInstanceRequest:
			last.set(r.GetCommand().GetId(), proto.Clone(r).(*pb.ApplyInstanceRequest))
		case *pb.DeleteInstanceRequest:
			deleted.change(r.GetCommand().GetId(), func(n int) int { return n + 1 })
		case *pb.GetInstanceRequest:
			id := r.GetId()
			if deleted.get(id) != fourthTime || last.get(id) == nil {
				break
			}
			if gone.get(id) {
				again := last.get(id)
				again.Command.Fence = math.MaxUint64
				if _, err := pb.NewInstanceServiceClient(cc).ApplyInstance(ctx, again); err != nil {
					return err
				}
			}
			err := invoke(ctx, method, req, reply, cc, o...)
			gone.set(id, fault.ReasonOf(wire.FromStatus(err)) == fault.NoSuchObject)
			return err
		}
		return invoke(ctx, method, req, reply, cc, o...)
	}
}

// hidesShown leaves out of a watch what another one has shown: meanwhile, or before it began.
func hidesShown(meanwhile bool) grpc.StreamClientInterceptor {
	type watch struct {
		ctx           context.Context
		shown, hidden map[string]bool
	}
	var mu sync.Mutex
	var all []*watch
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, s grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
		own := &watch{ctx, map[string]bool{}, map[string]bool{}}
		mu.Lock()
		for _, w := range all {
			if w.ctx.Err() != nil && !meanwhile {
				maps.Copy(own.hidden, w.shown)
			}
		}
		all = append(all, own)
		mu.Unlock()
		return dropping(func(m *pb.WatchResponse) bool {
			mu.Lock()
			defer mu.Unlock()
			o := m.GetInstance().GetObserved()
			if o.GetPhase() != pb.Phase_PHASE_READY || own.hidden[o.GetId()] {
				return o != nil && own.hidden[o.GetId()]
			}
			own.shown[o.GetId()] = true
			for _, w := range all {
				if meanwhile && w != own && w.ctx.Err() == nil {
					w.hidden[o.GetId()] = true
				}
			}
			return false
		})(ctx, desc, cc, method, s, o...)
	}
}

func waitsForReaders(unread *atomic.Int32) grpc.UnaryClientInterceptor {
	return onApply(func(ctx context.Context, _ *pb.ApplyInstanceRequest, send func(context.Context) error) error {
		if unread.Load() > 1 {
			return wire.ToStatus(fault.New(fault.Busy, "somebody is watching, and does not read"))
		}
		return send(ctx)
	})
}

func countsUnread(unread *atomic.Int32) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, s grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
		stream, err := s(ctx, desc, cc, method, o...)
		if err != nil || !strings.HasSuffix(method, "/Watch") {
			return stream, err
		}
		unread.Add(1)
		return &readStream{ClientStream: stream, read: sync.OnceFunc(func() { unread.Add(-1) })}, nil
	}
}

type readStream struct {
	grpc.ClientStream
	read func()
}

func (s *readStream) RecvMsg(m any) error {
	s.read()
	return s.ClientStream.RecvMsg(m)
}

// keepsUploads lets the first message of an upload arrive before anything is cut.
func keepsUploads() grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, s grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
		if strings.HasSuffix(method, "/PutImage") {
			ctx = context.WithoutCancel(ctx)
		}
		return s(ctx, desc, cc, method, o...)
	}
}
