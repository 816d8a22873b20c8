// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// hostile is a peer that the port has to get rid of.
type hostile struct {
	do   func(t *testing.T) // begins; what it opens is closed when the test ends
	told []string           // words of the line in the core's log
}

// TestHostilePeers lets each kind of bad peer come to the port, while a provider is attached whose calls have to
// succeed throughout.
func TestHostilePeers(t *testing.T) {
	t.Parallel()
	r := newRigAt(t, -8*24*time.Hour)
	old := r.join("old")
	r.clock.advance(8 * 24 * time.Hour)
	good, bad, stranger := r.join("good"), r.join("bad"), newRig(t).join("bad")
	r.start(good, memory.NewBackend())
	r.waitReady(good.id)
	served := r.keepCalling(good)
	defer served.stop()

	raw := func(t *testing.T) net.Conn {
		conn, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	secure := func(t *testing.T, change func(*tls.Config)) (*tls.Conn, error) {
		config := bad.identity.TLS(attach.ProtocolProvider, time.Now)
		change(config)
		conn := tls.Client(raw(t), config)
		return conn, conn.Handshake()
	}
	sends := func(bytes ...[]byte) func(*testing.T) {
		return func(t *testing.T) {
			conn, err := secure(t, func(*tls.Config) {})
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range bytes {
				conn.Write(b) // which the core may have closed by now
			}
			conn.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
				t.Errorf("the core kept the connection: %v", err)
			}
		}
	}
	shakes := func(change func(*tls.Config)) func(*testing.T) {
		return func(t *testing.T) {
			conn, err := secure(t, change)
			if err == nil { // in TLS 1.3 a client hears of its refusal when it reads
				_, err = conn.Read(make([]byte, 1))
			}
			if err == nil {
				t.Error("the core answered")
			}
		}
	}
	attaches := func(m member, change func(*attach.Dialer)) func(*testing.T) {
		return func(t *testing.T) {
			d, _ := r.dialer(m, newEngine(t, memory.New(memory.NewBackend())).Register, "p")
			change(d)
			run(t, d)
		}
	}
	hello, err := json.Marshal(attach.Hello{Provider: "bad", MachineID: "m-bad", Versions: []int{1}, ProcessID: "p"})
	if err != nil {
		t.Fatal(err)
	}

	// These are slow on purpose: their time runs while the others come.
	slow := map[string]hostile{
		"a handshake that does not go on": {func(t *testing.T) { raw(t).Write([]byte{22, 3, 1, 0, 200}) }, []string{"connection refused", "deadline exceeded"}},
		"a frame that does not go on": {func(t *testing.T) {
			conn, err := secure(t, func(*tls.Config) {})
			if err != nil {
				t.Fatal(err)
			}
			conn.Write(frame(100, "{"))
		}, []string{"provider refused", "i/o timeout"}},
	}
	for _, h := range slow {
		h.do(t)
	}

	for name, h := range map[string]hostile{
		"plain text":              {func(t *testing.T) { raw(t).Write([]byte("GET / HTTP/1.1\r\n\r\n")) }, []string{"connection refused", "does not look like a TLS handshake"}},
		"TLS 1.2":                 {shakes(func(c *tls.Config) { c.MinVersion, c.MaxVersion = 0, tls.VersionTLS12 }), []string{"connection refused", "unsupported versions"}},
		"no certificate":          {shakes(func(c *tls.Config) { c.GetClientCertificate = nil }), []string{"connection refused", "didn't provide a certificate"}},
		"unknown ALPN":            {shakes(func(c *tls.Config) { c.NextProtos = []string{"ssh"} }), []string{"connection refused", "unsupported application protocols"}},
		"no ALPN":                 {shakes(func(c *tls.Config) { c.NextProtos = nil }), []string{"connection refused", "names no protocol"}},
		"another cloud":           {attaches(member{name: "bad", identity: attach.Identity{Certificate: stranger.identity.Certificate, Roots: r.roots()}}, unchanged), []string{"provider refused", "not one of this cloud's"}},
		"expired":                 {attaches(old, unchanged), []string{"provider refused", "subject=old", "the certificate is valid from"}},
		"another's name":          {attaches(bad, func(d *attach.Dialer) { d.Hello.Provider = "good" }), []string{"provider refused", "provider=bad", "certificate is of provider bad"}},
		"oversized frame":         {sends(frame(64<<10+1, "")), []string{"provider refused", "provider=bad", "a frame of 65537 bytes is larger"}},
		"no JSON":                 {sends(frame(4, "junk")), []string{"provider refused", "invalid character"}},
		"HTTP/2 instead":          {sends([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")), []string{"provider refused", "is larger"}},
		"garbage after the frame": {sends(frame(len(hello), string(hello)), []byte(strings.Repeat("garbage", 10_000))), []string{"provider detached", "provider=bad"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := r.log.count(h.told...)
			h.do(t)
			r.log.wait(t, before+1, h.told...)
		})
	}
	t.Run("oversized message", func(t *testing.T) {
		r.sends(t, r.join("large"), &pb.WatchResponse{Event: &pb.WatchResponse_Log{Log: &pb.LogRecord{Message: strings.Repeat("x", 17<<20)}}})
		r.log.wait(t, 1, "provider detached", "provider=large", "larger than max")
	})
	t.Run("revoked while attached", func(t *testing.T) {
		m := r.join("gone")
		r.sends(t, m, snapshotEnd)
		r.waitReady(m.id)
		if err := r.ca.RevokeProvider(t.Context(), m.name); err != nil {
			t.Fatal(err)
		}
		r.log.wait(t, 1, "provider detached", "provider=gone", "was deleted")
		r.log.wait(t, 1, "provider refused", "provider=gone", "was deleted")
	})
	t.Run("a flood of half-open connections", func(t *testing.T) {
		flooder := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3)}}
		for range 600 {
			conn, err := flooder.Dial("tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		r.log.wait(t, 300, "connection refused", "address=127.0.0.3", "too many from one address")
		served.more(t, 3)
		m := r.join("late")
		r.start(m, memory.NewBackend())
		r.waitReady(m.id)
	})
	for name, h := range slow {
		t.Run(name, func(t *testing.T) { r.log.wait(t, 1, h.told...) })
	}
	served.more(t, 3)
	if n := r.observer.count("detached " + good.id); n != 0 {
		t.Errorf("the good one was detached %d times", n)
	}
}

func unchanged(*attach.Dialer) {}

// frame is a frame that claims a length.
func frame(length int, body string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(length)), body...)
}

// sends attaches a provider that sends one event, until the test ends.
func (r *rig) sends(t *testing.T, m member, event *pb.WatchResponse) {
	d, _ := r.dialer(m, func(s grpc.ServiceRegistrar) {
		pb.RegisterProviderServiceServer(s, &script{watch: func(s grpc.ServerStreamingServer[pb.WatchResponse]) error {
			if err := s.Send(event); err != nil {
				return err
			}
			<-s.Context().Done()
			return nil
		}})
	}, "p")
	run(t, d)
}

// calls counts calls that succeeded.
type calls struct {
	done chan struct{}
	stop func()
}

// keepCalling creates and deletes networks at a provider, one after the other, until stop is called.
func (r *rig) keepCalling(m member) calls {
	c := calls{done: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	t := r.t.(*testing.T)
	fence := r.fence()
	work.Go(func() {
		for ctx.Err() == nil {
			id := newID()
			n, err := r.host.Network(m.id)
			if err == nil {
				_, err = n.ApplyNetwork(ctx, fence, netSpec(t, id, 1), nil)
			}
			if err == nil {
				err = n.DeleteNetwork(ctx, fence, provider.Tag{ID: id}, nil)
			}
			if ctx.Err() == nil && err != nil {
				t.Errorf("the good one was disturbed: %v", err)
				return
			}
			select {
			case c.done <- struct{}{}:
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	c.stop = func() { cancel(); work.Wait() }
	return c
}

// more waits for n calls.
func (c calls) more(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case <-c.done:
		case <-time.After(patience):
			t.Fatal("the good one serves no more")
		}
	}
}
