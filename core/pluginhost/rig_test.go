// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/pki"
	"github.com/rhyzome/rhyzome/core/pluginhost"
	"github.com/rhyzome/rhyzome/core/store"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/engine"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// patience bounds what a test waits for.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	if os.Getenv(actAsCrowd) != "" {
		if err := runCrowd(os.Stdin); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { os.RemoveAll(buildDir); os.Exit(code) }))
}

// clock is the core's clock: the real one, plus what a test adds.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time {
	return time.Now().Add(time.Duration(c.ahead.Load())).UTC().Truncate(time.Microsecond)
}

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// book is an observer, and a log, that a test can wait on.
type book struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed and replaced with each line

	slow      time.Duration // what each Seen takes
	snapshots []core.Snapshot
	infos     []core.ProviderInfo
	changes   []core.Change
}

func newBook() *book { return &book{more: make(chan struct{})} }

func (b *book) add(format string, args ...any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, fmt.Sprintf(format, args...))
	close(b.more)
	b.more = make(chan struct{})
	return nil
}

// Write takes lines of a log.
func (b *book) Write(p []byte) (int, error) {
	return len(p), b.add("%s", bytes.TrimSpace(p))
}

func (b *book) Attached(_ context.Context, id string, info core.ProviderInfo, s core.Snapshot) error {
	b.mu.Lock()
	b.snapshots, b.infos = append(b.snapshots, s), append(b.infos, info)
	b.mu.Unlock()
	return b.add("attached %s", id)
}

func (b *book) Observed(_ context.Context, id string, c core.Change) error {
	b.mu.Lock()
	b.changes = append(b.changes, c)
	b.mu.Unlock()
	return b.add("observed %s", id)
}

func (b *book) Seen(_ context.Context, id string, state core.ProviderState, message string) error {
	time.Sleep(b.slow)
	return b.add("seen %s %s %s", id, state, message)
}

func (b *book) Refused(_ context.Context, id, message string, faults []core.ProblemField) error {
	return b.add("seen %s %s %s %v", id, core.ProviderDegraded, message, faults)
}

func (b *book) Detached(_ context.Context, id, why string, _ bool) error {
	return b.add("detached %s: %s", id, why)
}

// wait waits until n lines hold all the words.
func (b *book) wait(t *testing.T, n int, words ...string) {
	t.Helper()
	deadline := time.After(patience)
	for {
		b.mu.Lock()
		lines, more := b.lines, b.more
		b.mu.Unlock()
		if count(lines, words) >= n {
			return
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("not %d times %q in:\n%s", n, words, strings.Join(lines, "\n"))
		}
	}
}

func (b *book) count(words ...string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return count(b.lines, words)
}

func count(lines, words []string) (n int) {
	for _, line := range lines {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			n++
		}
	}
	return n
}

// rig is a core's attach port, with everything under it.
type rig struct {
	t        testing.TB
	clock    *clock
	store    core.Store
	ca       *pki.Authority
	observer *book
	log      *book
	host     *pluginhost.Host
	address  string
	attached chan string
	stop     func() // ends the core
}

func newRig(t testing.TB) *rig { return newRigAt(t, 0) }

// newRigAt begins with a clock that is ahead of the real one.
func newRigAt(t testing.TB, ahead time.Duration) *rig {
	t.Helper()
	return newRigOn(t, ahead, "127.0.0.1:0", func(*pluginhost.Options) {})
}

// newRigOn listens at an address; change may put other options in.
func newRigOn(t testing.TB, ahead time.Duration, address string, change func(*pluginhost.Options)) *rig {
	t.Helper()
	r := &rig{t: t, clock: &clock{}, observer: newBook(), log: newBook(), attached: make(chan string, 2000)}
	r.clock.advance(ahead)
	quiet := slog.New(slog.DiscardHandler)
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "db"), r.clock.now, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	r.store = s
	r.ca, err = pki.Open(t.Context(), pki.Options{
		Dir: t.TempDir(), Store: s, Address: "core.example:7443", Now: r.clock.now, NewID: newID, Log: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	options := pluginhost.Options{
		Store: s, Authority: r.ca, Observer: r.observer, Now: r.clock.now, Log: slog.New(slog.NewTextHandler(r.log, nil)),
		OnAttach: func(id string) { r.attached <- id }, Heartbeat: 500 * time.Millisecond,
	}
	change(&options)
	r.host = pluginhost.New(options)
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	r.address = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- r.host.Serve(ctx, l) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// member is a machine that has joined.
type member struct {
	name, id string
	identity attach.Identity
}

func (r *rig) token(name string) attach.Token {
	r.t.Helper()
	_, fresh, err := r.ca.CreateToken(r.t.Context(), core.NewToken{Name: name})
	if err != nil {
		r.t.Fatal(err)
	}
	token, err := attach.ParseToken(fresh.Token)
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

func newKey(t testing.TB) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return key, csr
}

func (r *rig) join(name string) member {
	r.t.Helper()
	key, csr := newKey(r.t)
	e, err := r.ca.Enrol(r.t.Context(), pki.EnrolRequest{
		Secret: r.token(name).Secret, CertificateRequest: csr, MachineID: "m-" + name, Plugin: "memory",
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return member{name: name, id: e.Provider.ID, identity: attach.Identity{
		Certificate: tls.Certificate{Certificate: e.Chain, PrivateKey: key, Leaf: e.Certificate},
		Roots:       r.roots(),
	}}
}

func (r *rig) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(r.ca.Root())
	return pool
}

// dialer returns the provider's end; a test may change it before it runs.
func (r *rig) dialer(m member, register func(grpc.ServiceRegistrar), processID string) (*attach.Dialer, *book) {
	log := newBook()
	return &attach.Dialer{
		Addresses: []string{r.address},
		Identity:  func() attach.Identity { return m.identity },
		Hello: attach.Hello{
			Provider: m.name, MachineID: "m-" + m.name, Plugin: "memory", Versions: []int{1}, ProcessID: processID,
		},
		Clock: attach.NewClock(time.Now, time.Time{}), Register: register, Log: slog.New(slog.NewTextHandler(log, nil)),
	}, log
}

// run keeps a dialer running until the test ends or stop is called.
func run(t testing.TB, d *attach.Dialer) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx) })
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return stop
}

// start runs a memory provider in this process.
func (r *rig) start(m member, b *memory.Backend) (stop func()) {
	r.t.Helper()
	e := newEngine(r.t, memory.New(b))
	d, _ := r.dialer(m, e.Register, e.Description().ProcessID)
	return run(r.t, d)
}

func newEngine(t testing.TB, p provider.Provider) *engine.Engine {
	e := engine.New(p, engine.Options{
		Logger: slog.New(slog.DiscardHandler), AnswerWithin: 20 * time.Millisecond, PollInterval: 50 * time.Millisecond,
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			t.Errorf("work did not end: %v", err)
		}
	})
	return e
}

// nextAttached waits until some provider is ready for work, and returns its id.
func (r *rig) nextAttached() string {
	r.t.Helper()
	select {
	case id := <-r.attached:
		return id
	case <-time.After(patience):
		r.t.Fatalf("nobody attached:\n%s", strings.Join(r.log.lines, "\n"))
		return ""
	}
}

// waitReady waits until some provider is ready for work, and checks which.
func (r *rig) waitReady(id string) {
	r.t.Helper()
	select {
	case got := <-r.attached:
		if got != id {
			r.t.Fatalf("provider %s attached, want %s", got, id)
		}
	case <-time.After(patience):
		r.log.mu.Lock()
		defer r.log.mu.Unlock()
		r.t.Fatalf("no provider attached:\n%s", strings.Join(r.log.lines, "\n"))
	}
}

func (r *rig) network(id string) core.NetworkProvider {
	r.t.Helper()
	n, err := r.host.Network(id)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *rig) fence() uint64 {
	r.t.Helper()
	var fence uint64
	err := r.store.Update(r.t.Context(), func(tx core.Tx) (err error) {
		fence, err = tx.NextFence()
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return fence
}

// netSpec returns a network that the memory provider takes.
func netSpec(t *testing.T, id string, generation int64) provider.NetworkSpec {
	t.Helper()
	spec := provider.NetworkSpec{
		Project: "alice", Name: "net", Handle: "abcd1234", RouterID: memory.DefaultRouter().ID, Fabric: "fabric", SegmentID: 100,
		Subnets: []provider.Subnet{{CIDR: netip.MustParsePrefix("10.1.2.0/24"), Gateway: netip.MustParseAddr("10.1.2.1")}},
		Domain:  "net.alice.rhyzome.internal", Egress: provider.EgressNAT, MTU: int(1400 + generation),
	}
	tag, err := core.TagOf(id, generation, spec)
	if err != nil {
		t.Fatal(err)
	}
	spec.Tag = tag
	return spec
}

// within bounds a call of a test.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
