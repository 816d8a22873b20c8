// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rhyzome/rhyzome/conformance/probe"
)

// A service answers with a line, its token and its caller's address, and sends back every line that comes after: over
// TCP. Over UDP it answers each packet with that line.
const (
	beat    = 50 * time.Millisecond // between two messages of a connection that is held
	maxLine = 256
)

// Offer implements Client.Offer.
func (a *agent) Offer(t probe.Target, token *string) error {
	*token = rand.Text()
	at := fmt.Sprintf(":%d", t.Address.Port())
	if t.Network == "udp" {
		conn, err := net.ListenPacket(t.Network, at) //nolint:noctx // it ends with Reset
		if err != nil {
			return err
		}
		a.later(conn.Close)
		go answerPackets(conn, *token)
		return nil
	}
	listener, err := net.Listen(t.Network, at) //nolint:noctx // likewise
	if err != nil {
		return err
	}
	var open sync.Map
	a.later(func() error {
		err := listener.Close()
		open.Range(func(conn, _ any) bool { err = errors.Join(err, closed(conn.(net.Conn).Close())); return true })
		return err
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // it was closed
			}
			open.Store(conn, nil)
			go func() {
				defer open.Delete(conn)
				answer(conn, *token)
			}()
		}
	}()
	return nil
}

// closed takes for done what is closed already.
func closed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func hello(token string, from net.Addr) string { return token + " " + from.String() + "\n" }

// answer serves one connection until its caller or somebody between ends it.
func answer(conn net.Conn, token string) {
	defer conn.Close()
	if _, err := conn.Write([]byte(hello(token, conn.RemoteAddr()))); err != nil {
		return
	}
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if _, err := conn.Write(append(lines.Bytes(), '\n')); err != nil {
			return
		}
	}
}

func answerPackets(conn net.PacketConn, token string) {
	packet := make([]byte, maxLine)
	for {
		_, from, err := conn.ReadFrom(packet)
		if err != nil {
			return // it was closed
		}
		if _, err := conn.WriteTo([]byte(hello(token, from)), from); err != nil {
			continue // the caller asks again
		}
	}
}

// Call implements Client.Call.
func (a *agent) Call(args probe.CallArgs, met *probe.Met) error {
	ctx, cancel := context.WithTimeout(context.Background(), args.Patience)
	defer cancel()
	for ctx.Err() == nil {
		line, err := callOnce(ctx, args.Target)
		if err == nil {
			return parseMet(line, met)
		}
		select {
		case <-ctx.Done():
		case <-time.After(beat):
		}
	}
	return nil
}

// callOnce returns what a service says first. Over UDP it asks once a second at most: a packet may be lost.
func callOnce(ctx context.Context, t probe.Target) (string, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, t.Network, t.Address.String())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	until, _ := ctx.Deadline()
	if t.Network == "udp" {
		if second := time.Now().Add(time.Second); second.Before(until) {
			until = second
		}
		if _, err := conn.Write([]byte("who is there?")); err != nil {
			return "", err
		}
	}
	if err := conn.SetReadDeadline(until); err != nil {
		return "", err
	}
	return bufio.NewReaderSize(conn, maxLine).ReadString('\n')
}

func parseMet(line string, met *probe.Met) error {
	token, from, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	addr, err := netip.ParseAddrPort(from)
	if !ok || err != nil {
		return fmt.Errorf("somebody else answers: %q", line)
	}
	*met = probe.Met{Token: token, From: netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())}
	return nil
}

// held is a connection that is kept busy.
type held struct {
	mu   sync.Mutex
	flow probe.Flow
	last time.Time
}

// Hold implements Client.Hold.
func (a *agent) Hold(t probe.Target, id *int) error {
	ctx, cancel := context.WithTimeout(context.Background(), probe.HoldPatience)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, t.Network, t.Address.String())
	if err != nil {
		return err
	}
	lines := bufio.NewReaderSize(conn, maxLine)
	if _, err := lines.ReadString('\n'); err != nil {
		return errors.Join(err, conn.Close())
	}
	h := &held{last: time.Now()}
	a.mu.Lock()
	*id = len(a.flows)
	a.flows = append(a.flows, h)
	a.undo = append(a.undo, func() error { return closed(conn.Close()) })
	a.mu.Unlock()
	go h.keepBusy(conn, lines)
	return nil
}

// keepBusy sends numbers and awaits each, until the connection ends. That nothing comes back for a while is a pause, and
// TCP's own matter.
func (h *held) keepBusy(conn net.Conn, lines *bufio.Reader) {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for n := 0; ; n++ {
		err := exchange(conn, lines, n)
		h.mu.Lock()
		if err != nil {
			h.flow.Broken = err.Error()
			h.mu.Unlock()
			return
		}
		h.flow.Pause = max(h.flow.Pause, time.Since(h.last))
		h.last = time.Now()
		h.flow.Exchanged++
		h.mu.Unlock()
		<-ticker.C
	}
}

func exchange(conn net.Conn, lines *bufio.Reader, n int) error {
	sent := fmt.Sprintf("%d\n", n)
	if _, err := conn.Write([]byte(sent)); err != nil {
		return err
	}
	got, err := lines.ReadString('\n')
	if err == nil && got != sent {
		err = fmt.Errorf("sent %q, and %q came back", sent, got)
	}
	return err
}

// Held implements Client.Held.
func (a *agent) Held(id int, flow *probe.Flow) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if id < 0 || id >= len(a.flows) {
		return fmt.Errorf("there is no connection %d", id)
	}
	h := a.flows[id]
	h.mu.Lock()
	defer h.mu.Unlock()
	*flow = h.flow
	flow.Pause = max(flow.Pause, time.Since(h.last))
	return nil
}

// isUnreachable tells whether the kernel says that there is no way: an answer, and no failure of the probe.
func isUnreachable(err error) bool {
	for _, e := range []error{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EACCES, syscall.EPERM, syscall.ENOKEY, syscall.EDESTADDRREQ} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
