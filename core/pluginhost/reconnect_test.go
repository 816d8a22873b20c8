// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/memory"
)

// reconnects is how often connections are lost in TestReconnectsLeakNothing; `make test-slow` sets it to 10000.
const reconnects = "RHYZOME_TEST_RECONNECTS"

// TestReconnectsLeakNothing cuts the connections of some providers again and again. Core and providers are in this
// process, so what either end forgot to release is seen here.
func TestReconnectsLeakNothing(t *testing.T) {
	total := 200
	if text := os.Getenv(reconnects); text != "" {
		var err error
		if total, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	const providers = 10
	r := newRig(t)
	cables := map[string]*cable{}
	for i := range providers {
		m := r.join(fmt.Sprintf("r%d", i))
		cables[m.id] = newCable(t, r.address)
		e := newEngine(t, memory.New(memory.NewBackend()))
		d, _ := r.dialer(m, e.Register, e.Description().ProcessID)
		d.Addresses = []string{cables[m.id].address()}
		run(t, d)
	}
	var ids []string
	for range providers {
		ids = append(ids, r.nextAttached())
	}
	r.observer.wait(t, providers, "seen") // the last one's data connection is there as well by then, or soon
	before := settled(t, usage{})
	for _, id := range ids {
		cables[id].cut()
	}
	for range total - providers {
		cables[r.nextAttached()].cut()
	}
	for range providers {
		r.nextAttached()
	}
	after := settled(t, before)
	t.Logf("%d reconnects: %+v before, %+v after", total, before, after)
	if after.descriptors > before.descriptors || after.goroutines > before.goroutines {
		t.Errorf("%d reconnects leaked: %+v before, %+v after", total, before, after)
	}
}

// usage is what this process holds. The database's pool of files, which has a bound of its own, does not count.
type usage struct{ descriptors, goroutines int }

func inUse(t testing.TB) usage {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	u := usage{goroutines: runtime.NumGoroutine()}
	for _, f := range open {
		if to, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && !strings.Contains(to, "/db") {
			u.descriptors++
		}
	}
	return u
}

// settled returns what is in use when that has not changed for a while, or is down to a limit.
func settled(t testing.TB, limit usage) usage {
	t.Helper()
	last, since := inUse(t), time.Now()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		now := inUse(t)
		if now.descriptors <= limit.descriptors && now.goroutines <= limit.goroutines {
			return now
		}
		if now != last {
			last, since = now, time.Now()
		}
		if limit == (usage{}) && time.Since(since) > time.Second {
			return now
		}
	}
	return last
}

// BenchmarkBackAfterALostConnection measures how long a provider is away whose connection breaks while the core stays
// up: from the break until it is ready for work again.
func BenchmarkBackAfterALostConnection(b *testing.B) {
	r := newRig(b)
	m := r.join("r1")
	c := newCable(b, r.address)
	e := newEngine(b, memory.New(memory.NewBackend()))
	d, _ := r.dialer(m, e.Register, e.Description().ProcessID)
	d.Addresses = []string{c.address()}
	run(b, d)
	r.waitReady(m.id)
	var away []time.Duration
	for b.Loop() {
		began := time.Now()
		c.cut()
		r.waitReady(m.id)
		away = append(away, time.Since(began))
	}
	slices.Sort(away)
	b.ReportMetric(milliseconds(away[len(away)/2]), "p50-ms")
	b.ReportMetric(milliseconds(away[len(away)*95/100]), "p95-ms")
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
