// SPDX-License-Identifier: Apache-2.0

package local_test

import (
	"crypto/ed25519"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/cloudtest"
	"github.com/rhyzome/rhyzome/core/local"
	"github.com/rhyzome/rhyzome/core/pluginhost"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// impatient gives a new version little time.
func impatient(up time.Duration) func(*pluginhost.Options, *local.Options) {
	return func(h *pluginhost.Options, l *local.Options) { h.TryWithin, l.UpWithin = patience, up }
}

// upgraded waits for the end of an upgrade.
func (s *site) upgraded(name string) core.Provider {
	s.t.Helper()
	return s.await(name, "upgraded", func(p core.Provider) bool {
		return p.Local.Upgrade != nil && p.Local.Upgrade.State != core.UpgradeRunning
	})
}

// files are what lies at a provider.
func (s *site) files(p core.Provider) (names []string) {
	s.t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.dir, p.ID))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (s *site) ready(name, version string) core.Provider {
	s.t.Helper()
	return s.await(name, "ready in version "+version, func(p core.Provider) bool {
		return p.Status.State == core.ProviderReady && p.Status.Version == version
	})
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	s := newSite(t, asUsual)
	path, sum := pluginOf(t, "picky", "1.0.0", "")
	s.add("acme", path, sum, `{"site":"a","key":"hunter1"}`, core.ProviderReady)
	next, nextSum := pluginOf(t, "picky", "1.1.0", "")
	p, err := s.providers.Upgrade(t.Context(), "acme", core.NewBinary{Binary: next, SHA256: strings.ToUpper(nextSum)})
	if err != nil || p.Local.Upgrade == nil || p.Local.Upgrade.FromVersion != "1.0.0" || p.Local.Upgrade.ToVersion != "1.1.0" {
		t.Fatalf("%+v, %v", p.Local, err)
	}
	p = s.upgraded("acme")
	if u := p.Local.Upgrade; p.Status.LastError != nil || u.State != core.UpgradeDone || u.EndedAt == nil || p.Local.SHA256 != nextSum || p.Local.Binary != next {
		t.Errorf("%+v, %+v", p.Local, u)
	}
	if got := s.ready("acme", "1.1.0").Status.Program; got == nil || *got != (core.ProviderProgram{SHA256: nextSum, Measured: true}) {
		t.Errorf("it runs %+v", got)
	}
	s.awaitSite("a")
	s.await("acme", "rid of the old binary", func(p core.Provider) bool { return slices.Equal(s.files(p), sorted(nextSum, "config.json")) })

	// A version with other settings brings its configuration.
	greedy, greedySum := pluginOf(t, "picky", "2.0.0", "greedy")
	_, err = s.providers.Upgrade(t.Context(), "acme", core.NewBinary{Binary: greedy, SHA256: greedySum})
	if got := fields(err); !slices.Equal(got, []string{"/config", "/config/more"}) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err = s.providers.Upgrade(t.Context(), "acme", core.NewBinary{
		Binary: greedy, SHA256: greedySum, Config: json.RawMessage(`{"more":"x"}`),
	}); err != nil {
		t.Fatal(err)
	}
	s.await("acme", "upgraded to greedy", func(p core.Provider) bool { return p.Local.SHA256 == greedySum })
	s.ready("acme", "2.0.0")
	if s.kept(p) != `{"more":"x"}` {
		t.Errorf("on the disk is %s", s.kept(p))
	}
}

func sorted(names ...string) []string {
	slices.Sort(names)
	return names
}

// What does not come up is rolled back: the old version runs, with its configuration, and nothing of the new one is left.
func TestUpgradeIsRolledBack(t *testing.T) {
	for wrong, c := range map[string]struct {
		within time.Duration
		why    string
	}{
		"crashes": {time.Hour, "its process ended"}, "refuses": {time.Hour, "there is no such site"}, "hangs": {3 * time.Second, "did not come up within 3s"},
	} {
		t.Run(wrong, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, impatient(c.within))
			path, sum := pluginOf(t, "picky", "1.0.0", "")
			s.add("acme", path, sum, `{"site":"a"}`, core.ProviderReady)
			next, nextSum := pluginOf(t, "picky", "1.1.0", wrong)
			_, err := s.providers.Upgrade(t.Context(), "acme", core.NewBinary{
				Binary: next, SHA256: nextSum, Config: json.RawMessage(`{"site":"b"}`),
			})
			if err != nil {
				t.Fatal(err)
			}
			if wrong == "hangs" {
				if _, err := s.configure("acme", `{"site":"c"}`); fault.ReasonOf(err) != fault.ResourceBusy {
					t.Errorf("configured meanwhile: %v", err)
				}
			}
			p := s.upgraded("acme")
			if u := p.Local.Upgrade; u.State != core.UpgradeRolledBack || !strings.Contains(u.Message, c.why) || p.Local.SHA256 != sum {
				t.Errorf("%+v, %+v", p.Local, u)
			}
			s.ready("acme", "1.0.0")
			s.awaitSite("a")
			if got := s.files(p); !slices.Equal(got, sorted(sum, "config.json")) || s.kept(p) != `{"site":"a"}` {
				t.Errorf("at the provider are %v, with %s", got, s.kept(p))
			}
		})
	}
}

// What cannot take the place is refused, and the provider runs on undisturbed.
func TestUpgradeIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, asUsual)
	path, sum := pluginOf(t, "picky", "1.0.0", "")
	before := s.add("acme", path, sum, `{"site":"a"}`, core.ProviderReady)
	other, otherSum := pluginOf(t, "other", "1.1.0", "")
	plain, plainSum := program(t, 0o755)
	for name, c := range map[string]struct{ path, sum, field, why string }{
		"another plugin":          {other, otherSum, "/binary", "is the plugin other"},
		"no plugin":               {plain, plainSum, "/binary", "does not serve"},
		"the same":                {path, sum, "/sha256", "runs already"},
		"another digest":          {other, sum[1:] + "0", "/sha256", "has the SHA-256"},
		"a path of nobody":        {"/nowhere", otherSum, "/binary", "cannot be read"},
		"a path that is half one": {"plugin", otherSum, "/binary", "absolute"},
	} {
		_, err := s.providers.Upgrade(t.Context(), "acme", core.NewBinary{Binary: c.path, SHA256: c.sum})
		if got := fields(err); !slices.Equal(got, []string{c.field}) || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	_, err := s.providers.Upgrade(t.Context(), "all", core.NewBinary{Binary: path, SHA256: sum})
	if f := fault.Of(err); f == nil || f.Reason != fault.BadState || !strings.Contains(f.Message, "packages of its own machine") {
		t.Errorf("a provider elsewhere: %v", err)
	}
	after := s.get("acme")
	if !after.Status.AttachedAt.Equal(*before.Status.AttachedAt) || after.Local.Upgrade != nil || !slices.Equal(s.files(after), sorted(sum, "config.json")) {
		t.Errorf("it was disturbed: %+v %v", after, s.files(after))
	}
}

// A program that says nothing is not waited for longer than a trial may take.
func TestUpgradeToWhatSaysNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(h *pluginhost.Options, _ *local.Options) { h.TryWithin = time.Second })
	path, sum := pluginOf(t, "picky", "1.0.0", "")
	s.add("acme", path, sum, `{"site":"a"}`, core.ProviderReady)
	mute, muteSum := pluginOf(t, "picky", "1.1.0", "mute")
	_, err := s.providers.Upgrade(t.Context(), "acme", core.NewBinary{Binary: mute, SHA256: muteSum})
	if got := fields(err); !slices.Equal(got, []string{"/binary"}) || !strings.Contains(err.Error(), "does not serve") {
		t.Errorf("%q, %v", got, err)
	}
	if p := s.get("acme"); p.Status.State != core.ProviderReady || !slices.Equal(s.files(p), sorted(sum, "config.json")) {
		t.Errorf("it was disturbed: %+v", p)
	}
}

// An upgrade that the end of the core cut off is told by the next one, which runs the old version.
func TestUpgradeIsCutOff(t *testing.T) {
	r := newRig(t)
	providers, stop := r.run()
	path, sum := program(t, 0o755)
	p := r.add(providers, "acme", path, sum, nil)
	r.next()
	stop()
	r.cloud.Update(func(tx core.Tx) error {
		p.Local.Upgrade = &core.Upgrade{State: core.UpgradeRunning, ToVersion: "2", SHA256: "new"}
		return tx.Providers().Update(p)
	})
	for name, content := range map[string]string{"new": "", "config.json": `{"new":1}`, "config.json.before": `{"old":1}`} {
		if err := os.WriteFile(filepath.Join(r.dir, p.ID, name), []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	_, stop = r.run()
	defer stop()
	if c := r.next(); c.SHA256 != sum {
		t.Errorf("it runs %+v", c)
	}
	got, err := r.ca.GetProvider(t.Context(), "acme")
	if err != nil || got.Local.Upgrade.State != core.UpgradeRolledBack || got.Local.Upgrade.Message != "the core ended meanwhile" {
		t.Errorf("%+v, %v", got.Local.Upgrade, err)
	}
	for _, name := range []string{"new", "config.json.before"} {
		if _, err := os.Stat(filepath.Join(r.dir, p.ID, name)); !os.IsNotExist(err) {
			t.Errorf("%s is there: %v", name, err)
		}
	}
	if config, err := os.ReadFile(filepath.Join(r.dir, p.ID, "config.json")); err != nil || string(config) != `{"old":1}` {
		t.Errorf("the old version is configured with %s, %v", config, err)
	}
}

func TestSignatures(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, another, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	path, sum := program(t, 0o755)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		keys      []ed25519.PublicKey
		signature []byte
		refused   bool
	}{
		"signed":                 {[]ed25519.PublicKey{public}, ed25519.Sign(private, content), false},
		"by one of two":          {[]ed25519.PublicKey{another.Public().(ed25519.PublicKey), public}, ed25519.Sign(private, content), false},
		"by another":             {[]ed25519.PublicKey{public}, ed25519.Sign(another, content), true},
		"something else":         {[]ed25519.PublicKey{public}, ed25519.Sign(private, []byte(sum)), true},
		"not":                    {[]ed25519.PublicKey{public}, nil, true},
		"where nobody can check": {nil, ed25519.Sign(private, content), true},
		"not, where none is due": {nil, nil, false},
	} {
		r := newRig(t)
		providers := local.New(local.Options{
			Dir: r.dir, Store: r.cloud.Store, Registrar: r.ca, Keeper: r.keeper, Now: cloudtest.Now, NewID: cloudtest.NewID, Log: r.cloud.Log, Keys: c.keys,
		})
		_, err := providers.Add(t.Context(), "acme", core.NewBinary{Binary: path, SHA256: sum, Signature: c.signature})
		if got := fields(err); c.refused && !slices.Equal(got, []string{"/signature"}) || !c.refused && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if left := r.entries(); c.refused && len(left) > 0 {
			t.Errorf("%s: left behind: %v", name, left)
		}
	}
}
