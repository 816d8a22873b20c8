// SPDX-License-Identifier: Apache-2.0

package local_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/cloudtest"
	"github.com/rhyzome/rhyzome/core/inventory"
	"github.com/rhyzome/rhyzome/core/local"
	"github.com/rhyzome/rhyzome/core/pki"
	"github.com/rhyzome/rhyzome/core/pluginhost"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// patience bounds what a test waits for.
const patience = 2 * time.Minute

// site is a core that runs real children.
type site struct {
	t         *testing.T
	dir       string
	cloud     *cloudtest.Cloud
	ca        *pki.Authority
	host      *pluginhost.Host
	providers *local.Providers
	log       *journal
}

// journal is a log that a test can read.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// newSite begins a core; change may put other options in.
func newSite(t *testing.T, change func(*pluginhost.Options, *local.Options)) *site {
	t.Helper()
	s := &site{t: t, dir: filepath.Join(t.TempDir(), "providers"), cloud: cloudtest.New(t), log: &journal{}}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	var err error
	s.ca, err = pki.Open(t.Context(), pki.Options{
		Dir: t.TempDir(), Store: s.cloud.Store, Address: "core.example:7443", Now: cloudtest.Now, NewID: cloudtest.NewID, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	hosting := pluginhost.Options{
		Store: s.cloud.Store, Authority: s.ca, Observer: inventory.New(s.cloud.Store, func() {}, cloudtest.Now, cloudtest.NewID, log),
		Now: cloudtest.Now, Log: log,
	}
	options := local.Options{
		Dir: s.dir, Store: s.cloud.Store, Registrar: s.ca, Now: cloudtest.Now, NewID: cloudtest.NewID, Log: log,
	}
	change(&hosting, &options)
	s.host = pluginhost.New(hosting)
	options.Keeper = s.host
	s.providers = local.New(options)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.providers.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) { // before it began
			t.Errorf("Run: %v", err)
		}
	})
	return s
}

func asUsual(h *pluginhost.Options, l *local.Options) { h.TryWithin, l.UpWithin = patience, patience }

// add adds a provider and waits until it is in a state.
func (s *site) add(name, path, sum, config string, state core.ProviderState) core.Provider {
	s.t.Helper()
	if _, err := s.providers.Add(s.t.Context(), name, core.NewBinary{Binary: path, SHA256: sum, Config: json.RawMessage(config)}); err != nil {
		s.t.Fatal(err)
	}
	return s.await(name, "is "+string(state), func(p core.Provider) bool { return p.Status.State == state })
}

func (s *site) get(name string) core.Provider {
	s.t.Helper()
	p, err := s.ca.GetProvider(s.t.Context(), name)
	if err == nil {
		p, err = s.providers.Show(p)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// await waits until a provider is as it should be.
func (s *site) await(name, what string, is func(core.Provider) bool) core.Provider {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		p := s.get(name)
		if is(p) {
			return p
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("not %s: %+v\n%s", what, p, s.log)
		}
	}
}

// awaitSite waits until the provider's host shows the site that it is configured with.
func (s *site) awaitSite(want string) {
	s.t.Helper()
	var got []string
	s.await("acme", "at site "+want, func(core.Provider) bool {
		got = nil
		s.cloud.View(func(tx core.Tx) error {
			hosts, err := tx.Hosts().Find(core.Query{})
			for _, h := range hosts {
				got = append(got, h.Labels["site"])
			}
			return err
		})
		return slices.Equal(got, []string{want})
	})
}

func (s *site) configure(name, config string) (core.ConfigPlan, error) {
	s.t.Helper()
	return s.providers.Configure(s.t.Context(), name, core.Configuration{Config: []byte(config)})
}

// kept is what is on the disk.
func (s *site) kept(p core.Provider) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, p.ID, "config.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

func fields(err error) (all []string) {
	if f := fault.Of(err); f != nil {
		for _, v := range f.Fields {
			all = append(all, v.Field)
		}
	}
	slices.Sort(all)
	return all
}

func TestConfigure(t *testing.T) {
	s := newSite(t, asUsual)
	path, sum := pluginOf(t, "picky", "1.0.0", "")
	p := s.add("acme", path, sum, `{"site":"a","key":"hunter1"}`, core.ProviderReady)
	s.awaitSite("a")
	if c := s.get("acme").Local.Config; c["site"] != "a" || c["key"] != "(secret)" {
		t.Errorf("it shows %v", c)
	}

	// A plan changes nothing.
	const next = `{"site":"b","key":"hunter2","rate":0.5}`
	plan, err := s.providers.Configure(t.Context(), "acme", core.Configuration{Config: []byte(next), DryRun: true})
	text, _ := json.Marshal(plan.Changes)
	const changes = `[{"path":"/key","change":"changed","old":"(secret)","new":"(secret)"},{"path":"/rate","change":"added","new":0.5},` +
		`{"path":"/site","change":"changed","old":"a","new":"b"}]`
	if err != nil || plan.Applied || string(text) != changes {
		t.Errorf("%+v %s, %v", plan, text, err)
	}
	if s.kept(p) != `{"site":"a","key":"hunter1"}` {
		t.Errorf("on the disk is %s", s.kept(p))
	}
	if _, err := s.providers.Configure(t.Context(), "acme", core.Configuration{Config: []byte(next), Generation: plan.Generation + 1}); fault.ReasonOf(err) != fault.ETagMismatch {
		t.Errorf("another generation: %v", err)
	}

	// Everything that the schema refuses is told at once, and nothing of a secret.
	_, err = s.configure("acme", `{"key":7,"colour":"hunter3","rate":"hunter4"}`)
	if got := fields(err); !slices.Equal(got, []string{"/config/colour", "/config/key", "/config/rate", "/config/site"}) ||
		fault.ReasonOf(err) != fault.InvalidField || strings.Contains(err.Error(), "hunter") {
		t.Errorf("%q, %v", got, err)
	}

	// What the provider refuses is not kept, and the provider has the one from before again.
	installed := strings.Count(s.log.String(), "remote.site=a")
	_, err = s.configure("acme", `{"site":"nowhere"}`)
	if got := fields(err); !slices.Equal(got, []string{"/config/site"}) {
		t.Errorf("%q, %v", got, err)
	}
	if s.kept(p) != `{"site":"a","key":"hunter1"}` {
		t.Errorf("on the disk is %s", s.kept(p))
	}
	s.await("acme", "told its configuration again", func(core.Provider) bool {
		return strings.Count(s.log.String(), "remote.site=a") > installed
	})
	s.awaitSite("a")

	plan, err = s.providers.Configure(t.Context(), "acme", core.Configuration{Config: []byte(next), Generation: plan.Generation})
	if err != nil || !plan.Applied {
		t.Fatalf("%+v, %v", plan, err)
	}
	s.awaitSite("b")
	if after := s.get("acme"); after.Generation != p.Generation+1 || after.Status.State != core.ProviderReady || s.kept(p) != next {
		t.Errorf("%+v, on the disk is %s", after, s.kept(p))
	}
	if info, err := os.Stat(filepath.Join(s.dir, p.ID, "config.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if strings.Contains(s.log.String(), "hunter") {
		t.Errorf("a secret is in the log:\n%s", s.log)
	}
}

// A provider that does not take what it was added with is there to be configured.
func TestConfigureWhatRefusedItsConfiguration(t *testing.T) {
	s := newSite(t, asUsual)
	path, sum := pluginOf(t, "picky", "1.0.0", "")
	p := s.add("acme", path, sum, `{"site":"nowhere"}`, core.ProviderDegraded)
	if f := p.Status.ConfigFaults; len(f) != 1 || f[0] != (core.ProblemField{Field: "/site", Description: "there is no such site"}) {
		t.Errorf("faults %v", f)
	}
	if _, err := s.configure("acme", `{"site":"a"}`); err != nil {
		t.Fatal(err)
	}
	s.awaitSite("a")
	s.await("acme", "ready without faults", func(p core.Provider) bool {
		return p.Status.State == core.ProviderReady && len(p.Status.ConfigFaults) == 0
	})
}

// One that ends whenever it is configured cannot be asked, but tried: the next start finds the new configuration.
func TestConfigureWhatIsNotAttached(t *testing.T) {
	s := newSite(t, asUsual)
	path, sum := pluginOf(t, "picky", "1.0.0", "crashes")
	p := s.add("acme", path, sum, `{"site":"a","key":"hunter1"}`, core.ProviderCrashing)
	if c := s.get("acme").Local.Config; c["site"] != "(secret)" || c["key"] != "(secret)" {
		t.Errorf("it shows %v", c)
	}
	if _, err := s.configure("acme", `{"colour":"red"}`); !slices.Equal(fields(err), []string{"/config/colour", "/config/site"}) {
		t.Errorf("%v", err)
	}
	if plan, err := s.configure("acme", `{"site":"b"}`); err != nil || !plan.Applied || s.kept(p) != `{"site":"b"}` {
		t.Errorf("%+v, %v; on the disk is %s", plan, err, s.kept(p))
	}
}

// A configuration that takes the provider down is not kept, and the operator is told so: it would do so with each start.
func TestConfigureTakesTheProviderDown(t *testing.T) {
	s := newSite(t, asUsual)
	path, sum := pluginOf(t, "picky", "1.0.0", "")
	p := s.add("acme", path, sum, `{"site":"a"}`, core.ProviderReady)
	plan, err := s.configure("acme", `{"site":"abyss"}`)
	if f := fault.Of(err); f == nil || f.Reason != fault.ProviderAway || plan.Applied || !strings.Contains(f.Message, "discarded: the one from before stays") {
		t.Errorf("%+v, %v", plan, err)
	}
	s.await("acme", "back", func(is core.Provider) bool {
		return is.Status.State == core.ProviderReady && is.Status.AttachedAt.After(*p.Status.AttachedAt)
	})
	s.awaitSite("a")
	if s.kept(p) != `{"site":"a"}` {
		t.Errorf("on the disk is %s", s.kept(p))
	}
}

func TestConfigureWhatTheCoreDoesNotRun(t *testing.T) {
	s := newSite(t, asUsual)
	_, err := s.configure("all", `{}`)
	if f := fault.Of(err); f == nil || f.Reason != fault.BadState || !strings.Contains(f.Message, "/etc/rhyzome/provider.yaml") {
		t.Errorf("%v", err)
	}
	if _, err := s.configure("nobody", `{}`); fault.ReasonOf(err) != fault.UnknownResource {
		t.Errorf("%v", err)
	}
}
