// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/rhyzome/rhyzome/sdk/engine"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for.
const patience = 10 * time.Second

// patient answers when the work is done; quick before that, so that tests see it going on.
var (
	patient = engine.Options{Logger: slog.New(slog.DiscardHandler), AnswerWithin: patience, PollInterval: 20 * time.Millisecond}
	quick   = engine.Options{Logger: slog.New(slog.DiscardHandler), AnswerWithin: 20 * time.Millisecond, PollInterval: 20 * time.Millisecond}
)

// serve serves p in this process.
func serve(t *testing.T, p provider.Provider, o engine.Options) (*engine.Engine, *wire.Client, *grpc.ClientConn) {
	t.Helper()
	e := engine.New(p, o)
	cc := reach(t, e)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			t.Errorf("work did not end: %v", err)
		}
	})
	return e, wire.NewClient(cc), cc
}

// reach serves an engine on a connection of its own.
func reach(t *testing.T, e *engine.Engine) *grpc.ClientConn {
	t.Helper()
	server := grpc.NewServer()
	e.Register(server)
	listener := bufconn.Listen(1 << 20)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	cc, err := grpc.NewClient("passthrough:///bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cc.Close()
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("serving ended with %v", err)
		}
	})
	return cc
}

// configured serves a memory provider that is ready for work.
func configured(t *testing.T, b *memory.Backend, o engine.Options) *wire.Client {
	t.Helper()
	_, client, _ := serve(t, memory.New(b), o)
	configure(t, client)
	return client
}

func configure(t *testing.T, client *wire.Client) {
	t.Helper()
	if _, err := client.Configure(t.Context(), 1, []byte(`{}`), 0); err != nil {
		t.Fatal(err)
	}
}

var fences atomic.Uint64

// fence is higher than all before.
func fence() uint64 { return fences.Add(1) }

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func tag() provider.Tag { return provider.Tag{ID: newID(), Generation: 1, SpecDigest: "sha256:1"} }

func networkSpec() provider.NetworkSpec {
	id := newID()
	return provider.NetworkSpec{
		Tag:     provider.Tag{ID: id, Generation: 1, SpecDigest: "sha256:1"},
		Project: "alice", Name: "web", Handle: id[len(id)-8:], RouterID: "memory-router", Fabric: "fabric",
		SegmentID: int(fence()), Domain: "web.alice.rhyzome.internal", Egress: provider.EgressNAT, MTU: 1500,
	}
}

const imageContent = "not really a disk"

var imageRef = provider.ImageRef{SHA256: sum(imageContent), Format: provider.ImageRaw, SizeBytes: int64(len(imageContent))}

func sum(content string) string {
	s := sha256.Sum256([]byte(content))
	return hex.EncodeToString(s[:])
}

func putImage(t *testing.T, client *wire.Client) {
	t.Helper()
	if _, err := client.PutImage(t.Context(), imageRef, 0, strings.NewReader(imageContent)); err != nil {
		t.Fatal(err)
	}
}

func instanceSpec() provider.InstanceSpec {
	return provider.InstanceSpec{
		Tag: tag(), Project: "alice", Name: "web", HostID: "memory-host", Kind: provider.InstanceVM,
		VCPUs: 1, MemoryBytes: 1 << 30, Image: imageRef, Power: provider.PowerRunning,
	}
}

// wants fails the test unless err has that reason.
func wants(t *testing.T, what string, err error, reason fault.Reason) {
	t.Helper()
	if got := fault.ReasonOf(err); got != reason {
		t.Errorf("%s: %q (%v), want %q", what, got, err, reason)
	}
}

// await calls f until it returns true.
func await(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// phase reads a network's phase: "" if there is none.
func phase(t *testing.T, client *wire.Client, id string) provider.Phase {
	t.Helper()
	n, err := client.GetNetwork(t.Context(), id)
	if errors.Is(err, &fault.Error{Reason: fault.NoSuchObject}) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return n.Phase
}

// ready applies a network, and waits until it is there.
func ready(t *testing.T, client *wire.Client, spec provider.NetworkSpec) {
	t.Helper()
	if _, err := client.ApplyNetwork(t.Context(), fence(), spec); err != nil {
		t.Fatal(err)
	}
	await(t, "ready", func() bool { return phase(t, client, spec.ID) == provider.PhaseReady })
}

// hang makes a verb of the backend stop at a step until release is called.
func hang(b *memory.Backend, verb, step string) (release func()) {
	gate := make(chan struct{})
	remove := b.Inject(memory.Fault{Verb: verb, Step: step, Hang: gate})
	return func() {
		remove()
		close(gate)
	}
}

type failing struct{ after io.Reader }

func (f failing) Read(p []byte) (int, error) {
	n, err := f.after.Read(p)
	if errors.Is(err, io.EOF) {
		return n, io.ErrClosedPipe
	}
	return n, err
}
