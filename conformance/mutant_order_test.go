// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// orderMutants have one hole each in how they put commands into an order.
func orderMutants() []mutant {
	return []mutant{
		{name: "makes another name of it when it is asked again", caught: "INSTANCE-APPLY-002", unary: renamesWhenRepeated()},
		refusing("keeps the digest that it refuses", "INSTANCE-APPLY-003", fault.SpecConflict,
			func(o *pb.Observed, c *pb.Command) { o.SpecDigest = c.GetSpecDigest() }),
		refusing("keeps the generation that it refuses", "INSTANCE-APPLY-004", fault.StaleGeneration,
			func(o *pb.Observed, c *pb.Command) { o.Generation = c.GetGeneration() }),
		{name: "names one fault of a command", caught: "INSTANCE-APPLY-006",
			unary: answer(func(_ *pb.ApplyInstanceResponse, err error) error {
				f := fault.Of(wire.FromStatus(err))
				if f == nil || f.Reason != fault.InvalidField || len(f.Fields) < 2 {
					return err
				}
				return wire.ToStatus(f.At(f.Fields[0].Field))
			})},
		{name: "cancels for whoever is late", caught: "INSTANCE-FENCE-001",
			unary: lifts(func(c unaryCall, _ *pb.Command, _ uint64) bool { return c.is("/Cancel") })},
		{name: "trusts its own records more than the floor", caught: "INSTANCE-LATE-002", unary: trustsItself()},
		{name: "keeps the fence that made the object", caught: "INSTANCE-LATE-003",
			unary: lifts(func(c unaryCall, now *pb.Command, first uint64) bool {
				return c.is("/DeleteInstance") && first > 0 && now.GetFence() > first
			})},
		{name: "looks at the spec before the fence", caught: "INSTANCE-STALE-001", unary: specFirst()},
		{name: "compares the generation before the fence", caught: "INSTANCE-STALE-002", unary: generationFirst()},
		{name: "knows the generations of its own life only", caught: "INSTANCE-RESTART-001", unary: ownGenerations()},
		{name: "has words of its own for nothing", caught: "INSTANCE-GET-001", unary: ownWords()},
	}
}

// unaryCall is a call on its way to the provider.
type unaryCall struct {
	method     string
	req, reply any
	process    any // of the provider
	send       func() error
}

func (c unaryCall) is(suffix string) bool { return strings.HasSuffix(c.method, suffix) }

// command of a call that has one; Cancel has the same three fields.
func (c unaryCall) command() *pb.Command {
	switch r := c.req.(type) {
	case interface{ GetCommand() *pb.Command }:
		return r.GetCommand()
	case *pb.CancelRequest:
		return &pb.Command{Id: r.GetId(), Fence: r.GetFence()}
	}
	return nil
}

func (c unaryCall) setFence(fence uint64) {
	switch r := c.req.(type) {
	case interface{ GetCommand() *pb.Command }:
		r.GetCommand().Fence = fence
	case *pb.CancelRequest:
		r.Fence = fence
	}
}

// around runs f in place of each call.
func around(f func(c unaryCall) error) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		return f(unaryCall{method, req, reply, cc, func() error { return invoke(ctx, method, req, reply, cc, o...) }})
	}
}

// notes of something about each id.
type notes[T any] struct {
	mu sync.Mutex
	of map[string]T
}

// change sets what f makes of what is known, and returns it.
func (m *notes[T]) change(id string, f func(T) T) T {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		m.of = map[string]T{}
	}
	m.of[id] = f(m.of[id])
	return m.of[id]
}

func (m *notes[T]) get(id string) T { return m.change(id, func(t T) T { return t }) }

func (m *notes[T]) set(id string, t T) { m.change(id, func(T) T { return t }) }

// lifts gives those calls that which names the highest fence that was seen for their id. first is that of the first
// Apply that was accepted.
func lifts(which func(c unaryCall, now *pb.Command, first uint64) bool) grpc.UnaryClientInterceptor {
	var highest, first notes[uint64]
	return around(func(c unaryCall) error {
		now := c.command()
		if now == nil {
			return c.send()
		}
		id := now.GetId()
		if top := highest.change(id, func(f uint64) uint64 { return max(f, now.GetFence()) }); which(c, now, first.get(id)) {
			c.setFence(top)
		}
		err := c.send()
		if c.is("/ApplyInstance") && err == nil && first.get(id) == 0 {
			first.set(id, now.GetFence())
		}
		return err
	})
}

func renamesWhenRepeated() grpc.UnaryClientInterceptor {
	var applied notes[int]
	return around(func(c unaryCall) error {
		err := c.send()
		if err != nil {
			return err
		}
		rename := func(i *pb.Instance) {
			i.Observed.BackendRef += strings.Repeat("'", max(applied.get(i.GetObserved().GetId())-1, 0))
		}
		switch r := c.reply.(type) {
		case *pb.ApplyInstanceResponse:
			applied.change(c.command().GetId(), func(n int) int { return n + 1 })
			rename(r.GetInstance())
		case *pb.GetInstanceResponse:
			rename(r.GetInstance())
		}
		return nil
	})
}

// refusing is a mutant that lists what it refused, for as long as its process lives.
func refusing(name, caught string, why fault.Reason, change func(*pb.Observed, *pb.Command)) mutant {
	type key struct {
		process any
		id      string
	}
	var refused sync.Map
	return mutant{
		name: name, caught: caught,
		unary: around(func(c unaryCall) error {
			err := c.send()
			if c.is("/ApplyInstance") && fault.ReasonOf(wire.FromStatus(err)) == why {
				refused.Store(key{c.process, c.command().GetId()}, proto.Clone(c.command()))
			}
			return err
		}),
		stream: received("/ListInstances", func(process any, r *pb.ListInstancesResponse) {
			o := r.GetInstance().GetObserved()
			if c, ok := refused.Load(key{process, o.GetId()}); ok {
				change(o, c.(*pb.Command))
			}
		}),
	}
}

// received changes the messages of one stream.
func received[M any](method string, change func(process any, m *M)) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, called string, s grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
		stream, err := s(ctx, desc, cc, called, o...)
		if err != nil || !strings.HasSuffix(called, method) {
			return stream, err
		}
		return changedStream[M]{stream, func(m *M) { change(cc, m) }}, nil
	}
}

type changedStream[M any] struct {
	grpc.ClientStream
	change func(*M)
}

func (s changedStream[M]) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if got, ok := m.(*M); ok && err == nil {
		s.change(got)
	}
	return err
}

// trustsItself ignores the floor once it has deleted anything, as one does that keeps fences of its own on disk.
func trustsItself() grpc.UnaryClientInterceptor {
	var deleted notes[bool]
	return around(func(c unaryCall) error {
		if c.is("/DeleteInstance") {
			deleted.set("", true)
		}
		if r, ok := c.req.(*pb.ConfigureRequest); ok && deleted.get("") {
			r.FenceFloor = 1
		}
		return c.send()
	})
}

// specFirst takes what it has made already for a repetition, whatever its fence.
func specFirst() grpc.UnaryClientInterceptor {
	var made notes[map[any]*pb.Command]
	return around(func(c unaryCall) error {
		now := c.command()
		switch {
		case c.is("/DeleteInstance"):
			made.set(now.GetId(), nil)
		case c.is("/ApplyInstance"):
			last := made.get(now.GetId())[c.process]
			if last.GetGeneration() == now.GetGeneration() && last.GetSpecDigest() == now.GetSpecDigest() && last.GetFence() > now.GetFence() {
				now.Fence = last.GetFence()
			}
			if err := c.send(); err != nil {
				return err
			}
			made.set(now.GetId(), map[any]*pb.Command{c.process: proto.Clone(now).(*pb.Command)})
			return nil
		}
		return c.send()
	})
}

func generationFirst() grpc.UnaryClientInterceptor {
	var newest notes[int64]
	return around(func(c unaryCall) error {
		err := c.send()
		if !c.is("/ApplyInstance") {
			return err
		}
		now := c.command()
		if err == nil {
			newest.change(now.GetId(), func(g int64) int64 { return max(g, now.GetGeneration()) })
		}
		if fault.ReasonOf(wire.FromStatus(err)) == fault.Fenced && now.GetGeneration() < newest.get(now.GetId()) {
			return wire.ToStatus(fault.New(fault.StaleGeneration, "there is a newer one"))
		}
		return err
	})
}

// ownGenerations lets old generations pass for those that the process did not make itself.
func ownGenerations() grpc.UnaryClientInterceptor {
	var maker notes[any]
	return around(func(c unaryCall) error {
		err := c.send()
		if !c.is("/ApplyInstance") {
			return err
		}
		id := c.command().GetId()
		if fault.ReasonOf(wire.FromStatus(err)) == fault.StaleGeneration && maker.get(id) != c.process {
			return nil
		}
		if err == nil {
			maker.set(id, c.process)
		}
		return err
	})
}

// ownWords answers for ids that it never heard of with a reason that the contract does not know.
func ownWords() grpc.UnaryClientInterceptor {
	var heard notes[bool]
	return around(func(c unaryCall) error {
		switch r := c.req.(type) {
		case *pb.VerifyRequest:
			heard.set(r.GetSpec().GetCommand().GetId(), true)
		case *pb.PlanRequest:
			heard.set(r.GetSpec().GetCommand().GetId(), true)
		case interface{ GetCommand() *pb.Command }:
			heard.set(r.GetCommand().GetId(), true)
		}
		err := c.send()
		if r, ok := c.req.(*pb.GetInstanceRequest); ok && err != nil && !heard.get(r.GetId()) {
			f := *fault.Of(wire.FromStatus(err))
			f.Reason = "NO_SUCH_DOMAIN"
			return wire.ToStatus(&f)
		}
		return err
	})
}

// ignoresDrain counts something to wait for, if it has ever worked, and goes on.
func ignoresDrain() grpc.UnaryClientInterceptor {
	var worked notes[any]
	return around(func(c unaryCall) error {
		switch {
		case c.is("/ApplyInstance"):
			worked.set("", c.process)
		case c.is("/Drain"):
			if worked.get("") == c.process {
				c.reply.(*pb.DrainResponse).Running = 1
			}
			return nil
		}
		return c.send()
	})
}

// oneAtATime works for one id, and for nobody else meanwhile.
func oneAtATime() grpc.UnaryClientInterceptor {
	var mu sync.Mutex
	working := map[string]int{}
	return around(func(c unaryCall) error {
		if !c.is("/ApplyInstance") {
			return c.send()
		}
		id := c.command().GetId()
		mu.Lock()
		others := len(working)
		if working[id] > 0 {
			others--
		}
		if others > 0 {
			mu.Unlock()
			return wire.ToStatus(fault.New(fault.Busy, "one at a time"))
		}
		working[id]++
		mu.Unlock()
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			if working[id]--; working[id] == 0 {
				delete(working, id)
			}
		}()
		return c.send()
	})
}
