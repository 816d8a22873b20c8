// SPDX-License-Identifier: Apache-2.0

package local_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/cloudtest"
	"github.com/rhyzome/rhyzome/core/local"
	"github.com/rhyzome/rhyzome/core/pki"
	"github.com/rhyzome/rhyzome/core/pluginhost"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// keeper notes what it is to run, and runs it until it is told to stop.
type keeper struct {
	kept chan pluginhost.Child
	end  chan error // ends one child with that error
}

func (k *keeper) KeepChild(ctx context.Context, _ core.Provider, c pluginhost.Child) error {
	k.kept <- c
	select {
	case err := <-k.end:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (k *keeper) Facts(string) (pluginhost.Facts, error) { return pluginhost.Facts{}, nil }

func (k *keeper) Try(context.Context, pluginhost.Child) (pluginhost.Facts, error) {
	return pluginhost.Facts{}, nil
}

func (k *keeper) Reconfigure(string, json.RawMessage, func() error) error { return nil }

// configOf is what a child is configured with.
func configOf(t *testing.T, c pluginhost.Child) string {
	t.Helper()
	config, err := c.Config()
	if err != nil {
		t.Fatal(err)
	}
	return string(config)
}

type rig struct {
	t      *testing.T
	dir    string
	cloud  *cloudtest.Cloud
	ca     *pki.Authority
	keeper *keeper
}

func newRig(t *testing.T) *rig {
	t.Helper()
	c := cloudtest.New(t)
	ca, err := pki.Open(t.Context(), pki.Options{
		Dir: t.TempDir(), Store: c.Store, Address: "core.example:7443", Now: cloudtest.Now, NewID: cloudtest.NewID, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &rig{
		t: t, dir: filepath.Join(t.TempDir(), "providers"), cloud: c, ca: ca,
		keeper: &keeper{kept: make(chan pluginhost.Child, 10), end: make(chan error)},
	}
}

// run runs the local providers of a core until stop.
func (r *rig) run() (providers *local.Providers, stop func()) {
	r.t.Helper()
	providers = local.New(local.Options{
		Dir: r.dir, Store: r.cloud.Store, Registrar: r.ca, Keeper: r.keeper, Now: cloudtest.Now, NewID: cloudtest.NewID, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- providers.Run(ctx) }()
	return providers, func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Errorf("Run: %v", err)
		}
	}
}

func (r *rig) next() pluginhost.Child {
	r.t.Helper()
	select {
	case c := <-r.keeper.kept:
		return c
	case <-time.After(20 * time.Second):
		r.t.Fatal("nothing is started")
		return pluginhost.Child{}
	}
}

// program writes a file that could be a plugin, and returns its digest.
func program(t *testing.T, mode os.FileMode) (path, sum string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "plugin")
	content := []byte("#!/bin/sh\n")
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(content)
	return path, hex.EncodeToString(digest[:])
}

func TestAProviderIsAddedAndStartedWithTheCore(t *testing.T) {
	r := newRig(t)
	providers, stop := r.run()
	path, sum := program(t, 0o755)
	p := r.add(providers, "acme", path, sum, json.RawMessage(`{"key":"secret"}`))
	first := r.next()
	if first.SHA256 != sum || configOf(t, first) != `{"key":"secret"}` || first.Path == path || first.UID == 0 {
		t.Errorf("it runs %+v", first)
	}
	for name, want := range map[string]os.FileMode{first.Path: 0o700, filepath.Join(filepath.Dir(first.Path), "config.json"): 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if err := os.Remove(path); err != nil { // the core has a copy
		t.Fatal(err)
	}
	if _, err := providers.Add(t.Context(), "acme", core.NewBinary{Binary: first.Path, SHA256: sum}); fault.ReasonOf(err) != fault.NameTaken {
		t.Errorf("the same name: %v", err)
	}
	stop()
	r.litter("0198c0de-0000-7000-8000-00000000dead") // of an adding that was cut off
	_, stop = r.run()
	if again := r.next(); again.Path != first.Path || again.UID != first.UID || configOf(t, again) != configOf(t, first) {
		t.Errorf("after a restart of the core it runs %+v", again)
	}
	if left := r.entries(); len(left) != 1 || left[0] != p.ID {
		t.Errorf("below providers/ are %v", left)
	}
	// Deleted while it runs, nothing of it stays.
	r.keeper.end <- fault.New(fault.ProviderRevoked, "it was deleted")
	stop()
	if left := r.entries(); len(left) > 0 {
		t.Errorf("of a deleted provider are left %v", left)
	}
}

func TestWhatIsRefusedLeavesNothing(t *testing.T) {
	r := newRig(t)
	providers, stop := r.run()
	defer stop()
	path, sum := program(t, 0o755)
	plain, plainSum := program(t, 0o644)
	for name, c := range map[string]struct{ name, path, sum, field string }{
		"another digest": {"acme", path, hex.EncodeToString(make([]byte, 32)), "/sha256"},
		"no digest":      {"acme", path, "abc", "/sha256"},
		"relative":       {"acme", "plugin", sum, "/binary"},
		"missing":        {"acme", "/nowhere/plugin", sum, "/binary"},
		"a directory":    {"acme", t.TempDir(), sum, "/binary"},
		"not executable": {"acme", plain, plainSum, "/binary"},
		"a bad name":     {"Acme!", path, sum, "/name"},
	} {
		_, err := providers.Add(t.Context(), c.name, core.NewBinary{Binary: c.path, SHA256: c.sum})
		if f := fault.Of(err); f == nil || f.Reason != fault.InvalidField || len(f.Fields) == 0 || f.Fields[0].Field != c.field {
			t.Errorf("%s: %v; it must name %s", name, err, c.field)
		}
	}
	if left := r.entries(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if rows, _, err := r.ca.ListProviders(t.Context(), core.Page{}); err != nil || len(rows) > 0 {
		for _, p := range rows {
			if p.Local != nil {
				t.Errorf("there is the row %+v, %v", p, err)
			}
		}
	}
}

func (r *rig) add(providers *local.Providers, name, path, sum string, config json.RawMessage) core.Provider {
	r.t.Helper()
	p, err := providers.Add(r.t.Context(), name, core.NewBinary{Binary: path, SHA256: sum, Config: config})
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *rig) litter(name string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Join(r.dir, name), 0o700); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) entries() (names []string) {
	r.t.Helper()
	entries, err := os.ReadDir(r.dir)
	if err != nil && !os.IsNotExist(err) {
		r.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
