// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Deadlines of calls, where the caller's context has no earlier one. The contract promises that unary calls answer
// within 30 s; a list reads the whole backend. Watch, PutImage and
// OpenConsole have none.
const (
	CallTimeout = 30 * time.Second
	ListTimeout = 2 * time.Minute
)

// Client is the contract, called over a connection. All its errors are faults: those that the provider sent, and
// fault.ProviderAway when the connection is lost (the outcome of the call is then unknown). It is safe for concurrent
// use.
type Client struct {
	provider  pb.ProviderServiceClient
	instances pb.InstanceServiceClient
	power     pb.PowerServiceClient
	networks  pb.NetworkServiceClient
	ports     pb.PortServiceClient
	peers     pb.PeerServiceClient
	images    pb.ImageServiceClient
	forwards  pb.ForwardServiceClient
	volumes   pb.VolumeServiceClient
	snapshots pb.SnapshotServiceClient
	resize    pb.ResizeServiceClient
	migrate   pb.MigrateServiceClient
	metrics   pb.MetricsServiceClient
	verify    pb.VerifyServiceClient
	plan      pb.PlanServiceClient
	consoles  pb.ConsoleServiceClient
	exec      pb.ExecServiceClient
}

// NewClient returns a client over cc, which stays the caller's to close.
func NewClient(cc grpc.ClientConnInterface) *Client {
	return &Client{
		provider:  pb.NewProviderServiceClient(cc),
		instances: pb.NewInstanceServiceClient(cc),
		power:     pb.NewPowerServiceClient(cc),
		networks:  pb.NewNetworkServiceClient(cc),
		ports:     pb.NewPortServiceClient(cc),
		peers:     pb.NewPeerServiceClient(cc),
		images:    pb.NewImageServiceClient(cc),
		forwards:  pb.NewForwardServiceClient(cc),
		volumes:   pb.NewVolumeServiceClient(cc),
		snapshots: pb.NewSnapshotServiceClient(cc),
		resize:    pb.NewResizeServiceClient(cc),
		migrate:   pb.NewMigrateServiceClient(cc),
		metrics:   pb.NewMetricsServiceClient(cc),
		verify:    pb.NewVerifyServiceClient(cc),
		plan:      pb.NewPlanServiceClient(cc),
		consoles:  pb.NewConsoleServiceClient(cc),
		exec:      pb.NewExecServiceClient(cc),
	}
}

// Describe returns static facts. It works before Configure.
func (c *Client) Describe(ctx context.Context) (Description, error) {
	resp, err := call(ctx, c.provider.Describe, &pb.DescribeRequest{})
	return DescriptionFromProto(resp), err
}

// Configure installs settings, a JSON object, and returns warnings for the operator. fenceFloor is the value of the
// store's fence counter. fault.InvalidField names every field at fault.
func (c *Client) Configure(ctx context.Context, generation int64, config json.RawMessage, fenceFloor uint64) ([]string, error) {
	resp, err := call(ctx, c.provider.Configure, &pb.ConfigureRequest{
		Generation: generation, ConfigJson: string(config), FenceFloor: fenceFloor,
	})
	return resp.GetWarnings(), err
}

// Watch yields what the provider observes, until ctx ends or the loop is left: a snapshot, Event.SnapshotEnd, then
// changes, and a heartbeat at least once in each interval. Status, Heartbeat and Log may come before the snapshot's
// end too. The last pair holds an error: why the stream ended.
func (c *Client) Watch(ctx context.Context, heartbeat time.Duration) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stream, err := c.provider.Watch(ctx, &pb.WatchRequest{HeartbeatInterval: durationpb.New(heartbeat)})
		if err != nil {
			yield(Event{}, FromStatus(err))
			return
		}
		for {
			m, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				err = fault.New(fault.ProviderAway, "the provider ended the stream")
			}
			if err != nil {
				yield(Event{}, FromStatus(err))
				return
			}
			e, err := EventFromProto(m)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Cancel asks to stop the work that runs for one object.
func (c *Client) Cancel(ctx context.Context, kind provider.Kind, id string, fence uint64) (Outcome, error) {
	resp, err := call(ctx, c.provider.Cancel, &pb.CancelRequest{Kind: kinds[kind], Id: id, Fence: fence})
	return name(outcomes, resp.GetOutcome()), err
}

// Drain asks to accept nothing new and to finish within timeout what runs. It returns at once, with the number of
// objects whose work still runs; Watch tells when all of it has ended.
func (c *Client) Drain(ctx context.Context, timeout time.Duration) (int, error) {
	resp, err := call(ctx, c.provider.Drain, &pb.DrainRequest{Timeout: durationpb.New(timeout)})
	return int(resp.GetRunning()), err
}

// call does one unary call with a deadline.
func call[Req, Resp any](
	ctx context.Context, f func(context.Context, *Req, ...grpc.CallOption) (*Resp, error), req *Req,
) (*Resp, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	resp, err := f(ctx, req)
	return resp, FromStatus(err)
}

// convert finishes a call that returned an object.
func convert[M any, T any](m *M, err error, fromProto func(*M) (T, error)) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return fromProto(m)
}

// collect reads a list to its end.
func collect[Req, Resp, T any](
	ctx context.Context, f func(context.Context, *Req, ...grpc.CallOption) (grpc.ServerStreamingClient[Resp], error),
	req *Req, item func(*Resp) (T, error),
) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, ListTimeout)
	defer cancel()
	stream, err := f(ctx, req)
	if err != nil {
		return nil, FromStatus(err)
	}
	var all []T
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, FromStatus(err)
		}
		v, err := item(m)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
}

// all converts what came in one message.
func all[M, T any](messages []*M, fromProto func(*M) (T, error)) ([]T, error) {
	var out []T
	for _, m := range messages {
		v, err := fromProto(m)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// deleted says what a Delete answered.
func deleted(o *pb.Observed, err error) (bool, provider.Observed, error) {
	if err != nil {
		return false, provider.Observed{}, err
	}
	return o == nil, ObservedFromProto(o), nil
}
