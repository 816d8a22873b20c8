// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// inbound returns a listener of a provider's, and the context in which it takes the place of dialling.
func inbound(t *testing.T) (ctx context.Context, address string, log *book) {
	t.Helper()
	log = newBook()
	l := listen(t)
	in := attach.NewInbound(l, slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(in.Close)
	return in.Context(context.Background()), l.Addr().String(), log
}

// runIn is run in a context.
func runIn(ctx context.Context, t *testing.T, d *attach.Dialer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); d.Run(ctx) }()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}

func (r *rig) dial(name, address string) {
	r.t.Helper()
	if _, err := r.host.DialProvider(r.t.Context(), name, address); err != nil {
		r.t.Fatal(err)
	}
}

// TestAProviderThatListens is a whole life where only the core can connect: joining, work, bulk data, a lost connection,
// renewal, revocation.
func TestAProviderThatListens(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, address, _ := inbound(t)
	token := r.token("r1")
	c := newCable(t, address)
	r.dial("r1", c.address())

	key, csr := newKey(t)
	conn, err := attach.JoinConn(ctx, "-", token, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := pb.NewJoinServiceClient(conn).Enrol(within(t), &pb.EnrolRequest{
		Token: token.Secret, CertificateRequest: csr, MachineId: "m-r1", Plugin: "memory",
	})
	conn.Close()
	if err != nil {
		t.Fatal(err)
	}
	m := member{name: "r1", id: answer.ProviderId, identity: attach.Identity{
		Certificate: tls.Certificate{Certificate: answer.CertificateChain, PrivateKey: key}, Roots: r.roots(),
	}}

	b := memory.NewBackend()
	e := newEngine(t, memory.New(b))
	d, log := r.dialer(m, e.Register, e.Description().ProcessID)
	d.Addresses = []string{"-"}
	runIn(ctx, t, d)
	r.waitReady(m.id)
	if info := r.observer.infos[0]; info.Address != c.address() {
		t.Errorf("info %+v", info)
	}
	if n, err := r.network(m.id).ApplyNetwork(within(t), r.fence(), netSpec(t, newID(), 1), nil); err != nil || n.Phase != provider.PhaseReady {
		t.Errorf("%+v, %v", n, err)
	}
	compute, err := r.host.Compute(m.id)
	if err != nil {
		t.Fatal(err)
	}
	content := []byte("over the second connection")
	if err := compute.EnsureImage(within(t), imageOf(content), func(offset int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content[offset:])), nil
	}, nil); err != nil {
		t.Errorf("bulk data: %v", err)
	}

	c.cut()
	r.observer.wait(t, 1, "detached "+m.id, "connection was lost")
	r.waitReady(m.id)

	desk, err := attach.CoreConn(ctx, "-", m.identity, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	_, err = pb.NewCoreServiceClient(desk).Renew(within(t), &pb.RenewRequest{CertificateRequest: csr})
	desk.Close()
	if err != nil {
		t.Errorf("renewal: %v", err)
	}

	if err := r.ca.RevokeProvider(t.Context(), "r1"); err != nil {
		t.Fatal(err)
	}
	r.observer.wait(t, 1, "detached "+m.id, "deleted")
	log.wait(t, 2, "level=WARN", "connection to the core was lost")
	_, err = r.host.DialProvider(t.Context(), "r1", c.address())
	wantReason(t, err, fault.BadState)
}

// Strangers that connect to a provider learn nothing, and keep no core away.
func TestStrangersAtAProviderThatListens(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m := r.join("r1")
	ctx, address, log := inbound(t)
	var strangers []net.Conn
	for i := range 20 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i%2 == 0 {
			conn.Write([]byte("SSH-2.0-guess\r\n"))
		}
		strangers = append(strangers, conn)
	}
	e := newEngine(t, memory.New(memory.NewBackend()))
	d, _ := r.dialer(m, e.Register, e.Description().ProcessID)
	runIn(ctx, t, d)
	log.wait(t, 1, "a connection is no core's")
	r.dial("r1", address)
	r.waitReady(m.id)
	first := strangers[0] // of the many of one address only the last few are kept
	first.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, first); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the first stranger is kept")
	}
}

// A certificate's name decides, not an address: at one provider's address another one is refused.
func TestAnotherProviderAtAnAddress(t *testing.T) {
	r := newRig(t)
	m := r.join("r2")
	r.token("r1")
	ctx, address, _ := inbound(t)
	e := newEngine(t, memory.New(memory.NewBackend()))
	d, log := r.dialer(m, e.Register, e.Description().ProcessID)
	runIn(ctx, t, d)
	r.dial("r1", address)
	log.wait(t, 1, "should be provider r1, and r2 is")
	r.log.wait(t, 1, "provider refused", "provider=r2")
	r.dial("r1", "")
	r.dial("r2", address)
	r.waitReady(m.id)
}

func TestAProviderThatDoesNotListenIsNamed(t *testing.T) {
	r := newRig(t)
	r.token("r1")
	l := listen(t)
	l.Close()
	for _, bad := range []string{"nowhere", ":7444", "host:0", "host:http", "host:99999", "a:b:c"} {
		_, err := r.host.DialProvider(t.Context(), "r1", bad)
		wantReason(t, err, fault.InvalidField)
	}
	_, err := r.host.DialProvider(t.Context(), "r9", "host:1")
	wantReason(t, err, fault.UnknownResource)
	r.dial("r1", l.Addr().String())
	r.log.wait(t, 1, "cannot reach a provider that listens", "provider=r1", l.Addr().String(), "refused")
}

// The program on a machine that only the core can reach: it joins and attaches over connections that the core makes, and
// is back by itself after SIGKILL.
func TestARealProviderListens(t *testing.T) {
	t.Parallel()
	path := buildMemory(t)
	r := newRig(t)
	dir, config := stateDir(t, 0)
	l := listen(t)
	address := l.Addr().String()
	l.Close()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte(r.token("r1").Text()), 0o600); err != nil {
		t.Fatal(err)
	}
	r.dial("r1", address)
	args := []string{"listen", "--address", address, "--token-file", token, "--config", config}
	first := startProcess(t, path, args...)
	id := r.nextAttached()
	network := netSpec(t, newID(), 1)
	if _, err := r.network(id).ApplyNetwork(within(t), r.fence(), network, nil); err != nil {
		t.Error(err)
	}
	first.kill()
	r.observer.wait(t, 1, "detached "+id)
	second := startProcess(t, path, args...) // the token is used up, and not looked at again
	if again := r.nextAttached(); again != id {
		t.Errorf("it came back as %s", again)
	}
	if s := r.observer.snapshots[1]; len(s.Networks) != 1 || s.Networks[0].ID != network.ID {
		t.Errorf("what it holds: %+v", s.Networks)
	}
	second.cmd.Process.Signal(syscall.SIGTERM)
	if err := second.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v: %s", err, second.log)
	}
	r.observer.wait(t, 1, "seen "+id+" drained")
}
