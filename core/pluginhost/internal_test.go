// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "",
		"plain":                 "plain",
		"a\x00b\x1b[31mc\x7f":   "ab[31mc",
		"new\r\nline\ttab":      "newlinet",
		"\u202eabc\u2066\ufeff": "abc",
		"bad\xff\xfeutf8":       "badutf8",
		"c1\u0085\u009b":        "c1",
		"0123456789":            "01234567",
		"0123456é":              "0123456",
		"äöü€":                  "äöü",
	} {
		if got := clean(in, 8); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\x00é", 3)
	f.Fuzz(func(t *testing.T, s string, most int) {
		most = min(max(most, 0), 1<<20)
		if got := clean(s, most); len(got) > most || !utf8.ValidString(got) || clean(got, most) != got {
			t.Errorf("clean(%q, %d) = %q", s, most, got)
		}
	})
}

func TestOutcome(t *testing.T) {
	want := provider.Tag{ID: "a", Generation: 5, SpecDigest: "d5"}
	at := func(generation int64, digest string, phase provider.Phase) provider.Observed {
		return provider.Observed{Tag: provider.Tag{ID: "a", Generation: generation, SpecDigest: digest}, Phase: phase}
	}
	failed := at(5, "d5", provider.PhaseFailed)
	failed.Failure = fault.New(fault.NoCapacity, "full")
	for name, c := range map[string]struct {
		now    provider.Observed
		done   bool
		reason fault.Reason
	}{
		"ready":                  {at(5, "d5", provider.PhaseReady), true, ""},
		"progressing":            {at(5, "d5", provider.PhaseProgressing), false, ""},
		"progressing from older": {at(4, "d4", provider.PhaseProgressing), false, ""},
		"not tagged yet":         {at(0, "", provider.PhaseProgressing), false, ""},
		"failed":                 {failed, true, fault.NoCapacity},
		"failed without reason":  {at(5, "d5", provider.PhaseFailed), true, fault.Bug},
		"older is ready":         {at(4, "d4", provider.PhaseReady), true, fault.Interrupted},
		"newer is ready":         {at(6, "d6", provider.PhaseReady), true, fault.StaleGeneration},
		"newer progresses":       {at(6, "d6", provider.PhaseProgressing), true, fault.StaleGeneration},
		"another spec":           {at(5, "other", provider.PhaseReady), true, fault.SpecConflict},
		"being deleted":          {at(5, "d5", provider.PhaseDeleting), true, fault.Busy},
		"unknown phase":          {at(5, "d5", ""), true, fault.Bug},
	} {
		done, err := outcome(c.now, want)
		if done != c.done || fault.ReasonOf(err) != c.reason {
			t.Errorf("%s: %v, %v", name, done, err)
		}
	}
}

func TestWaitersGetTheLatestReport(t *testing.T) {
	w := newWaiters()
	key := objectKey{provider.KindPeer, "p"}
	reports, leave := w.join(key)
	other, leaveOther := w.join(objectKey{provider.KindPort, "p"})
	defer leaveOther()
	for percent := range 3 {
		w.tell(core.Change{Peer: &provider.Peer{Observed: provider.Observed{Tag: provider.Tag{ID: "p"}, Percent: percent}}})
	}
	if c := <-reports; c.Peer.Percent != 2 {
		t.Errorf("got the report of %d per cent", c.Peer.Percent)
	}
	w.tell(core.Change{Removed: &core.Removed{Kind: provider.KindPeer, ID: "p"}})
	if c := <-reports; c.Removed == nil {
		t.Errorf("got %+v", c)
	}
	if len(other) != 0 {
		t.Error("a peer's report went to who waits for a port")
	}
	leave()
	if w.each[key] != nil {
		t.Error("nobody waits, and something is kept")
	}
	w.tell(core.Change{Host: &provider.Host{ID: "p"}})
}

func TestHeartbeatsAreFiftyASecondAtMost(t *testing.T) {
	h := &Host{Options: Options{Heartbeat: 2 * time.Second}, sessions: map[string]*Session{}}
	for _, c := range []struct {
		providers int
		want      time.Duration
	}{{0, 2 * time.Second}, {100, 2 * time.Second}, {150, 3 * time.Second}, {1000, 20 * time.Second}} {
		for i := len(h.sessions); i < c.providers; i++ {
			h.sessions[strings.Repeat("x", i)] = nil
		}
		if got := h.heartbeat(); got != c.want {
			t.Errorf("%d providers: every %s, want %s", c.providers, got, c.want)
		}
	}
}

func TestOriginCountsNetworksOfOneOwnerAsOne(t *testing.T) {
	tcp := func(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	for _, c := range []struct{ a, b string }{
		{"192.0.2.1:1", "192.0.2.1:2"},
		{"[2001:db8::1]:1", "[2001:db8::ffff]:1"},
		{"[::ffff:192.0.2.1]:1", "192.0.2.1:1"},
	} {
		if origin(tcp(c.a)) != origin(tcp(c.b)) {
			t.Errorf("%s and %s are counted apart", c.a, c.b)
		}
	}
	if origin(tcp("[2001:db8::1]:1")) == origin(tcp("[2001:db8:0:1::1]:1")) {
		t.Error("two networks are counted as one")
	}
}

func TestPendingIsBounded(t *testing.T) {
	p := newPending()
	for range maxPending {
		if !p.enter("a") {
			t.Fatal("refused too early")
		}
	}
	if p.enter("a") {
		t.Error("one address has no limit")
	}
	if !p.enter("b") {
		t.Error("another address was refused")
	}
	p.leave("a")
	if !p.enter("a") {
		t.Error("room was not given back")
	}
}

func TestJoinLimitForgets(t *testing.T) {
	now := time.Unix(0, 0)
	j := newJoinLimit(func() time.Time { return now })
	for i := range maxAddresses {
		j.allow(strings.Repeat("x", i%100) + string(rune('a'+i/100)))
	}
	for range joinBurst {
		j.allow("busy")
	}
	if j.allow("busy") {
		t.Error("no limit")
	}
	for i := range 3 * maxAddresses {
		j.allow(string(rune(i)) + "y")
	}
	if len(j.each) > maxAddresses {
		t.Errorf("%d addresses are remembered", len(j.each))
	}
}

// An endpoint stands in the files of peers, so one that nobody could dial is not believed.
func TestEndpointsAreChecked(t *testing.T) {
	good := provider.Endpoint{Host: "vpn.example.org", PortMin: 51820, PortMax: 51829}
	for name, c := range map[string]struct {
		change func(*provider.Endpoint)
		usable bool
	}{
		"good":               {func(*provider.Endpoint) {}, true},
		"v6":                 {func(e *provider.Endpoint) { e.Host = "2001:db8::1" }, true},
		"outside":            {func(e *provider.Endpoint) { e.OutsidePortMin = 40000 }, true},
		"no host":            {func(e *provider.Endpoint) { e.Host = "" }, false},
		"comment in host":    {func(e *provider.Endpoint) { e.Host = "vpn example # x" }, false},
		"line in host":       {func(e *provider.Endpoint) { e.Host = "vpn\nPostUp = x" }, false},
		"negative port":      {func(e *provider.Endpoint) { e.PortMin = -5 }, false},
		"no such port":       {func(e *provider.Endpoint) { e.PortMax = 65536 }, false},
		"backwards":          {func(e *provider.Endpoint) { e.PortMin = 51830 }, false},
		"outside ends late":  {func(e *provider.Endpoint) { e.OutsidePortMin = 65530 }, false},
		"outside is too low": {func(e *provider.Endpoint) { e.OutsidePortMin = -1 }, false},
	} {
		e := good
		c.change(&e)
		if got := cleanRouter(provider.Router{Endpoint: &e}).Endpoint != nil; got != c.usable {
			t.Errorf("%s: believed is %v", name, got)
		}
	}
}
