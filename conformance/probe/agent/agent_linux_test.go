// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/conformance/probe"
)

// TestMain makes this program a probe too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "probe" {
		if err := Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func start(t *testing.T) *probe.Client {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c, err := probe.Start(t.Context(), []string{self, "probe"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

const patience = 10 * time.Second

// port is one that nobody else has.
const port = 28471

func TestServicesAnswer(t *testing.T) {
	c := start(t)
	for _, network := range []string{"tcp", "udp"} {
		target := probe.Target{Network: network, Address: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)}
		if met, err := c.Call(t.Context(), target, time.Second); err != nil || met.Token != "" {
			t.Fatalf("%s: nobody offers a service, and %+v answers (%v)", network, met, err)
		}
		token, err := c.Offer(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		met, err := c.Call(t.Context(), target, patience)
		if err != nil || met.Token != token || met.From.Addr() != target.Address.Addr() {
			t.Errorf("%s: %+v, %v; the token is %s", network, met, err, token)
		}
	}
}

func TestAFlowLivesUntilItsServiceEnds(t *testing.T) {
	serving, calling := start(t), start(t)
	target := probe.Target{Network: "tcp", Address: netip.AddrPortFrom(netip.MustParseAddr("::1"), port)}
	if _, err := serving.Offer(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	id, err := calling.Hold(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "messages come back", func() bool {
		f := flowOf(t, calling, id)
		return f.Exchanged > 3 && f.Broken == ""
	})
	if _, err := serving.Reset(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	await(t, "the connection is broken", func() bool { return flowOf(t, calling, id).Broken != "" })
	if _, err := calling.Hold(t.Context(), target); err == nil {
		t.Error("a connection to nobody is held")
	}
}

func flowOf(t *testing.T, c *probe.Client, id int) probe.Flow {
	t.Helper()
	f, err := c.Held(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func TestPing(t *testing.T) {
	c := start(t)
	for _, addr := range []string{"127.0.0.1", "::1"} {
		if answered, err := c.Ping(t.Context(), netip.MustParseAddr(addr), patience); err != nil || !answered {
			t.Errorf("%s: %v, %v", addr, answered, err)
		}
	}
}

func TestNamesNobodyAnswers(t *testing.T) {
	answer, err := start(t).Lookup(t.Context(), probe.Question{Server: netip.MustParseAddr("127.0.0.99"), Name: "nobody.example."})
	if err != nil || !answer.Silent || len(answer.Addresses) > 0 {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestWhatCannotBe(t *testing.T) {
	c := start(t)
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for what, do := range map[string]func() error{
		"interface nosuch0": func() error { _, err := c.Reset(t.Context(), "nosuch0"); return err },
		"interface nosuch1": func() error {
			_, err := c.Acquire(t.Context(), probe.AcquireArgs{Interface: "nosuch1", Patience: time.Second})
			return err
		},
		"private key":        func() error { return c.Dial(t.Context(), probe.Tunnel{PrivateKey: "short", Peer: key}) },
		"the endpoint's key": func() error { return c.Dial(t.Context(), probe.Tunnel{PrivateKey: key, Peer: "AAAA"}) },
		"no connection 7":    func() error { _, err := c.Held(t.Context(), 7); return err },
	} {
		if err := do(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("it must name %s: %v", what, err)
		}
	}
}

func TestStartNamesWhatDoesNotRun(t *testing.T) {
	for _, command := range [][]string{nil, {"/nonexistent"}, {"/bin/true"}, {"sh", "-c", "echo no way there >&2; exit 3"}} {
		c, err := probe.Start(t.Context(), command)
		if err == nil {
			t.Errorf("%q runs as a probe", command)
			_ = c.Close()
			continue
		}
		if len(command) == 3 && !strings.Contains(err.Error(), "no way there") {
			t.Errorf("what the command said is lost: %v", err)
		}
	}
}
