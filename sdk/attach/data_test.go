// SPDX-License-Identifier: Apache-2.0

package attach_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	providerv1 "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/attach"
)

const patience = 10 * time.Second

// switchboard accepts connections and tells them apart by protocol.
type switchboard struct {
	t        *testing.T
	address  string
	sessions chan net.Conn
	data     chan net.Conn
}

func newSwitchboard(t *testing.T, ca *authority) *switchboard {
	t.Helper()
	config := ca.server()
	config.MinVersion, config.NextProtos = tls.VersionTLS13, []string{attach.ProtocolProvider, attach.ProtocolData}
	l := tls.NewListener(listen(t), config)
	b := &switchboard{t: t, address: l.Addr().String(), sessions: make(chan net.Conn, 10), data: make(chan net.Conn, 10)}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if conn.(*tls.Conn).HandshakeContext(context.Background()) != nil {
				conn.Close()
				continue
			}
			if conn.(*tls.Conn).ConnectionState().NegotiatedProtocol == attach.ProtocolData {
				b.data <- conn
			} else {
				b.sessions <- conn
			}
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return b
}

func (b *switchboard) take(from chan net.Conn) net.Conn {
	b.t.Helper()
	select {
	case conn := <-from:
		b.t.Cleanup(func() { conn.Close() })
		return conn
	case <-time.After(patience):
		b.t.Fatal("no connection came")
		return nil
	}
}

func admit(attach.Hello) (attach.Welcome, error) { return attach.Welcome{Version: 1}, nil }

// session accepts the next one.
func (b *switchboard) session() *attach.Session {
	b.t.Helper()
	s, err := attach.Accept(b.take(b.sessions), admit)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(s.Close)
	return s
}

// nextData accepts the next data connection.
func (b *switchboard) nextData(idle time.Duration) *attach.Session {
	b.t.Helper()
	data, err := attach.AcceptData(b.take(b.data), idle, admit)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(data.Close)
	return data
}

// wanted asks for a session's data connection in the background.
func wanted(t *testing.T, s *attach.Session) <-chan grpc.ClientConnInterface {
	t.Helper()
	got := make(chan grpc.ClientConnInterface, 1)
	var asking sync.WaitGroup
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(func() { cancel(); asking.Wait() })
	asking.Go(func() {
		data, err := s.Data(ctx)
		if err != nil {
			t.Error(err)
			close(got)
			return
		}
		got <- data
	})
	return got
}

func TestTheDataConnectionIsOpenedWhenItIsNeeded(t *testing.T) {
	ca := newAuthority(t)
	b := newSwitchboard(t, ca)
	run(t, b.address, ca.identity(), 1)
	s := b.session()
	nobodyAsked := func() {
		t.Helper()
		if err := describe(t, s.Conn()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond) // that none comes shows no sooner
		if len(b.data) > 0 {
			t.Fatal("a data connection came although nobody asked")
		}
	}
	nobodyAsked()
	for range 2 {
		if _, err := providerv1.NewDataServiceClient(s.Conn()).OpenData(t.Context(), &providerv1.OpenDataRequest{}); err != nil {
			t.Fatal(err)
		}
		select {
		case <-b.nextData(20 * time.Millisecond).Done():
		case <-time.After(patience):
			t.Fatal("it is idle, and stays open")
		}
		nobodyAsked()
	}
	asked := wanted(t, s)
	s.SetData(b.nextData(time.Minute))
	if err := describe(t, <-asked); err != nil {
		t.Error(err)
	}
}

// TestALostDataConnectionIsAskedForAgain: one that broke, not one that was idle.
func TestALostDataConnectionIsAskedForAgain(t *testing.T) {
	ca := newAuthority(t)
	b := newSwitchboard(t, ca)
	run(t, b.address, ca.identity(), 1)
	s := b.session()
	for range 5 {
		asked, again := wanted(t, s), wanted(t, s) // two at once
		data := b.nextData(time.Minute)
		s.SetData(data)
		for _, cc := range []grpc.ClientConnInterface{<-asked, <-again} {
			if err := describe(t, cc); err != nil {
				t.Error(err)
			}
		}
		data.Close()
		<-data.Done()
	}
}

// TestACoreThatDoesNotAsk is one from before: the data connection comes by itself, and again when it was lost.
func TestACoreThatDoesNotAsk(t *testing.T) {
	ca := newAuthority(t)
	b := newSwitchboard(t, ca)
	run(t, b.address, ca.identity(), 1)
	welcome(t, b.take(b.sessions))
	for range 2 {
		data := b.take(b.data)
		welcome(t, data)
		data.Close()
	}
}

// welcome answers a Hello as the first release did.
func welcome(t *testing.T, conn net.Conn) {
	t.Helper()
	var hello map[string]any
	receive(t, conn, &hello)
	send(t, conn, map[string]any{"version": 1, "core_time": "2026-01-01T00:00:00Z", "heartbeat_ms": 2000})
}

// TestAProviderThatCannotBeAsked is one from before: what it opens by itself is waited for, and not closed when idle.
func TestAProviderThatCannotBeAsked(t *testing.T) {
	ca := newAuthority(t)
	b := newSwitchboard(t, ca)
	hello := map[string]any{"provider": "hv1", "machine_id": "m1", "versions": []int{1}, "process_id": "p"}
	connect := func(protocol string) {
		conn, err := tls.Dial("tcp", b.address, ca.identity().TLS(protocol, time.Now))
		if err != nil {
			t.Fatal(err)
		}
		send(t, conn, hello)
		serveOnce(t, conn)
	}
	connect(attach.ProtocolProvider)
	s := b.session()
	asked := wanted(t, s)
	connect(attach.ProtocolData)
	data := b.nextData(time.Millisecond)
	s.SetData(data)
	if err := describe(t, <-asked); err != nil {
		t.Error(err)
	}
	select {
	case <-data.Done():
		t.Error("it was closed when it was idle")
	case <-time.After(100 * time.Millisecond):
	}
	if err := describe(t, data.Conn()); err != nil {
		t.Error(err)
	}
}

// serveOnce answers calls on a connection, behind the Welcome.
func serveOnce(t *testing.T, conn net.Conn) {
	t.Helper()
	server := grpc.NewServer()
	providerv1.RegisterProviderServiceServer(server, describer{})
	l := &once{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
	var serving sync.WaitGroup
	serving.Go(func() {
		var welcome map[string]any
		receive(t, conn, &welcome)
		l.conn <- conn
		if err := server.Serve(l); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { server.Stop(); conn.Close(); serving.Wait() })
}

// once is a listener that has one connection.
type once struct {
	conn   chan net.Conn
	closed chan struct{}
	ending sync.Once
}

func (o *once) Accept() (net.Conn, error) {
	select {
	case c := <-o.conn:
		return c, nil
	case <-o.closed:
		return nil, net.ErrClosed
	}
}

func (o *once) Close() error {
	o.ending.Do(func() { close(o.closed) })
	return nil
}

func (o *once) Addr() net.Addr { return &net.TCPAddr{} }

func send(t *testing.T, conn net.Conn, v any) {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, conn net.Conn, v any) {
	t.Helper()
	head := make([]byte, 4)
	if _, err := io.ReadFull(conn, head); err != nil {
		t.Error(err)
		return
	}
	body := make([]byte, binary.BigEndian.Uint32(head))
	if _, err := io.ReadFull(conn, body); err != nil {
		t.Error(err)
		return
	}
	if err := json.Unmarshal(body, v); err != nil {
		t.Error(err)
	}
}
