// SPDX-License-Identifier: Apache-2.0

// Package engine serves the contract for an author's value. It does what every provider would have to do again: it finds
// what the value offers, makes its blocking methods asynchronous, serialises the calls for one id, refuses what is
// malformed, fenced, stale or in conflict, cancels, drains, watches by polling where there are no events, recovers
// panics, and ships logs.
//
// It keeps nothing that a new process would need: which objects there are, and in which generation, is read from the
// author's backend. In memory are the work that runs, the failures of the last attempts, and the fences seen.
package engine

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// Options of an Engine. The zero value is what production uses.
type Options struct {
	Logger       *slog.Logger     // nil for slog.Default()
	Now          func() time.Time // nil for time.Now
	NewID        func() string    // makes the process id; nil for random ones
	PollInterval time.Duration    // between two looks at the backend, for objects without events, capacity and health; 0 for 5 s
	AnswerWithin time.Duration    // how long Apply and Delete wait for their work before they answer; 0 for 1 s
	Debug        bool             // the author's code may take for ever: a debugger stops it
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = rand.Text
	}
	if o.PollInterval == 0 {
		o.PollInterval = 5 * time.Second
	}
	if o.AnswerWithin == 0 {
		o.AnswerWithin = time.Second
	}
	return o
}

// Engine serves one provider. It may serve on several connections at once.
type Engine struct {
	options     Options
	log         *slog.Logger
	author      provider.Provider
	description wire.Description

	// What the author's value offers; nil if it does not.
	instances *resource[provider.InstanceSpec, provider.Instance]
	networks  *resource[provider.NetworkSpec, provider.Network]
	ports     *resource[provider.PortSpec, provider.Port]
	peers     *resource[provider.PeerSpec, provider.Peer]
	forwards  *resource[provider.ForwardSpec, provider.Forward]
	volumes   *resource[provider.VolumeSpec, provider.Volume]
	snapshots *resource[provider.SnapshotSpec, provider.Snapshot]
	metrics   provider.Metrics
	console   provider.Console
	exec      provider.Exec
	resize    provider.Resize
	migrate   provider.Migrate
	power     provider.Power
	images    provider.Images
	verifier  provider.Verifier
	planner   provider.Planner
	watcher   provider.Watcher
	sources   []source // in the order of the snapshot

	settings   settings
	fences     fences
	gates      gates
	work       work
	executions executions
	watches    watches
	closing    sync.Once
}

// New returns an engine for p. Close it to end its work.
func New(p provider.Provider, o Options) *Engine {
	o = o.withDefaults()
	e := &Engine{options: o, author: p}
	e.watches.open = map[*watch]struct{}{}
	e.log = slog.New(&shipper{next: o.Logger.Handler(), watches: &e.watches})
	e.gates.held = map[string]*gate{}
	e.executions.ids = map[string]bool{}
	e.fences = newFences(maxFences)
	e.work.start()
	e.find(p)
	return e
}

// Description is what Describe answers.
func (e *Engine) Description() wire.Description { return e.description }

// Logger logs to Options.Logger, and to the cores that watch. It is what an author's code should log to.
func (e *Engine) Logger() *slog.Logger { return e.log }

// Register puts the services that the provider offers on s.
func (e *Engine) Register(s grpc.ServiceRegistrar) {
	pb.RegisterProviderServiceServer(s, &providerServer{e: e})
	if e.instances != nil {
		pb.RegisterInstanceServiceServer(s, &instanceServer{e: e})
	}
	if e.power != nil {
		pb.RegisterPowerServiceServer(s, &powerServer{e: e})
	}
	if e.networks != nil {
		pb.RegisterNetworkServiceServer(s, &networkServer{e: e})
		pb.RegisterPortServiceServer(s, &portServer{e: e})
	}
	if e.peers != nil {
		pb.RegisterPeerServiceServer(s, &peerServer{e: e})
	}
	if e.forwards != nil {
		pb.RegisterForwardServiceServer(s, &forwardServer{e: e})
	}
	if e.volumes != nil {
		pb.RegisterVolumeServiceServer(s, &volumeServer{e: e})
	}
	if e.snapshots != nil {
		pb.RegisterSnapshotServiceServer(s, &snapshotServer{e: e})
	}
	if e.metrics != nil {
		pb.RegisterMetricsServiceServer(s, &metricsServer{e: e})
	}
	if e.console != nil {
		pb.RegisterConsoleServiceServer(s, &consoleServer{e: e})
	}
	if e.exec != nil {
		pb.RegisterExecServiceServer(s, &execServer{e: e})
	}
	if e.resize != nil {
		pb.RegisterResizeServiceServer(s, &resizeServer{e: e})
	}
	if e.migrate != nil {
		pb.RegisterMigrateServiceServer(s, &migrateServer{e: e})
	}
	if e.verifier != nil {
		pb.RegisterVerifyServiceServer(s, &verifyServer{e: e})
	}
	if e.planner != nil {
		pb.RegisterPlanServiceServer(s, &planServer{e: e})
	}
	if e.images != nil {
		pb.RegisterImageServiceServer(s, &imageServer{e: e})
	}
}

// Drain refuses new work and waits for what runs, until ctx ends. It returns ctx's error if some still runs. The cores
// that watch are told the outcome, and that the provider is drained; it does not wait long for one that does not listen.
func (e *Engine) Drain(ctx context.Context) error {
	e.startDrain()
	select {
	case <-e.work.drained:
		e.watches.settle(ctx)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close stops all work, as a process that ends would, and waits for it until ctx ends. Watches end too.
func (e *Engine) Close(ctx context.Context) error {
	e.closing.Do(e.work.stop)
	ended := make(chan struct{})
	go func() {
		e.work.all.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// accepts refuses what changes something before the first Configure.
func (e *Engine) accepts() error {
	if !e.settings.installed() {
		return fault.New(fault.NotConfigured, "this process has not been configured yet")
	}
	return nil
}
