// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackoffGrowsToItsCapAndResets(t *testing.T) {
	var limits []time.Duration
	b := Backoff{random: func(limit time.Duration) time.Duration {
		limits = append(limits, limit)
		return 0
	}}
	for range 20 {
		b.next()
	}
	want := []time.Duration{100, 200, 400, 800, 1600, 3200}
	for i, limit := range limits {
		if w := backoffCap; i < len(want) && limit != want[i]*time.Millisecond || i >= len(want) && limit != w {
			t.Errorf("attempt %d waits less than %s", i, limit)
		}
	}
	if b.Lived(backoffReset - 1); b.failures == 0 {
		t.Error("a short life reset the backoff")
	}
	if b.Lived(backoffReset); b.failures != 0 {
		t.Error("a long life did not reset the backoff")
	}
	b.next()
	if b.Reset(); b.failures != 0 {
		t.Error("Reset did not")
	}
}

// The jitter is full: waits are spread over all that is allowed.
func TestBackoffIsSpread(t *testing.T) {
	var waits []time.Duration
	for range 1000 {
		b := Backoff{failures: 10}
		waits = append(waits, b.next())
	}
	slices.Sort(waits)
	if waits[100] > backoffCap/4 || waits[900] < backoffCap*3/4 || waits[999] >= backoffCap {
		t.Errorf("10 of 100 wait %s and more, 10 of 100 less than %s, the last %s", waits[900], waits[100], waits[999])
	}
}

// luck are the ways that the jitter may fall.
var luck = map[string]func(time.Duration) time.Duration{
	"longest": func(limit time.Duration) time.Duration { return limit - 1 },
	"half":    func(limit time.Duration) time.Duration { return limit / 2 },
	"short":   func(limit time.Duration) time.Duration { return limit / 10 },
}

// After an outage of any length, of a core that refuses or of a network that swallows packets, the provider is back
// within 5.2 s.
func TestBackSoonAfterAnyOutage(t *testing.T) {
	for name, random := range luck {
		for _, attempt := range []time.Duration{0, time.Second, connectTimeout} {
			for outage := 100 * time.Millisecond; outage < 10*time.Minute; outage += outage/3 + 77*time.Millisecond {
				synctest.Test(t, func(t *testing.T) {
					began := time.Now()
					ctx, cancel := context.WithCancel(t.Context())
					var back time.Duration
					keep(ctx, Backoff{random: random}, func() (bool, error) {
						if time.Since(began) < outage {
							time.Sleep(attempt)
							return false, errors.New("away")
						}
						back = time.Since(began) - outage
						cancel()
						return true, nil
					}, func(error) {})
					if back > 5200*time.Millisecond {
						t.Errorf("jitter %s, attempts fail after %s: after an outage of %s it took %s", name, attempt, outage, back)
					}
				})
			}
		}
	}
}

// A connection that was let in is made again at once, however often it is lost; one that is refused is not.
func TestOnlyRefusalsAreBackedOff(t *testing.T) {
	for _, c := range []struct {
		welcome  bool
		min, max int
	}{{true, 600, 601}, {false, 15, 30}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			n := 0
			keep(ctx, Backoff{random: luck["longest"]}, func() (bool, error) {
				n++
				return c.welcome, errors.New("over")
			}, func(error) {})
			if n < c.min || n > c.max {
				t.Errorf("welcome %v: %d connections in a minute", c.welcome, n)
			}
		})
	}
}
