// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rhyzome/rhyzome/sdk/engine"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	quick  = engine.Options{Logger: slog.New(slog.DiscardHandler), AnswerWithin: 5 * time.Millisecond, PollInterval: 50 * time.Millisecond}
	params = Params{
		// Steps take long enough to be killed in the middle.
		Config:    map[string]any{"step_delay_ms": 10, "hosts": hostsOfAllKinds()},
		Timeout:   30 * time.Second,
		Heartbeat: 400 * time.Millisecond,
	}
)

func TestMemoryIsConformant(t *testing.T) {
	t.Parallel()
	b := memory.NewBackend()
	TestProfile(t, Extended, InProcess(func() provider.Provider { return memory.New(b) }, quick), params)
	if left := b.Objects(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestHalvesAreConformant(t *testing.T) {
	for name, c := range map[string]struct {
		new func(*memory.Backend) provider.Provider
		not string
	}{
		"compute": {func(b *memory.Backend) provider.Provider { return memory.NewCompute(b) }, "^(NETWORK|PORT|PEER|FORWARD)-"},
		"network": {func(b *memory.Backend) provider.Provider { return memory.NewNetwork(b) }, "^(INSTANCE|POWER|IMAGE|VOLUME|SNAPSHOT|RESIZE|MIGRATE|METRICS|CONSOLE|EXEC)-"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := memory.NewBackend()
			target := InProcess(func() provider.Provider { return c.new(b) }, quick)
			defer target.Close()
			whole := params
			withBackend(&whole, t.TempDir())
			whole.Hooks.Foreign = "echo nothing"
			report, err := Runner{Target: target, Params: whole, Profile: Extended}.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, result := range report.Results {
				want := Pass
				if regexp.MustCompile(c.not).MatchString(result.ID) {
					want = NotAdvertised
				}
				if result.Outcome != want {
					t.Errorf("%s: %s, want %s\n%s", result.ID, result.Outcome, want, result.Detail)
				}
			}
		})
	}
}

func TestCasesAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Cases() {
		if seen[c.ID] {
			t.Errorf("%s is there twice", c.ID)
		}
		seen[c.ID] = true
		if !regexp.MustCompile(`^[A-Z]+-[A-Z]+-\d{3}$`).MatchString(c.ID) {
			t.Errorf("%q is no id", c.ID)
		}
		if c.Title == "" || !strings.HasSuffix(c.Sentence, ".") || c.Run == nil || c.Level != Must && c.Level != Should {
			t.Errorf("%s is incomplete", c.ID)
		}
	}
}
