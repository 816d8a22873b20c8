// SPDX-License-Identifier: Apache-2.0

//go:build linux

package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rhyzome/rhyzome/conformance"
	"github.com/rhyzome/rhyzome/sdk/engine"
	"github.com/rhyzome/rhyzome/sdk/plugin"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// asProvider is a variable that makes this program a provider.
const asProvider = "RHYZOME_TEST_PROCESS_PROVIDER"

// TestMain is a supervisor and a provider, too: they are started from the program that they are part of.
func TestMain(m *testing.M) {
	Supervise()
	if os.Getenv(asProvider) != "" {
		plugin.Serve(New())
		return
	}
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "process")
	target := conformance.InProcess(func() provider.Provider { return New() }, engine.Options{})
	conformance.TestProfile(t, conformance.Extended, target, conformance.Params{
		Config:   map[string]any{"directory": directory},
		Instance: conformance.InstanceParams{Image: "testdata/program"},
		Hooks: conformance.Hooks{
			BreakBackend: "mv " + directory + " " + directory + ".away", RestoreBackend: "mv " + directory + ".away " + directory,
			ListLeftovers: "ls " + directory + "/instances; grep -lsz HOME=" + directory + " /proc/[0-9]*/environ || true",
		},
	})
}

// rig is a provider over a directory of its own, and what it made.
type rig struct {
	*Provider
	t      *testing.T
	config map[string]any
}

func newRig(t *testing.T) *rig {
	t.Helper()
	directory, err := os.MkdirTemp("", "rhyzome-process-") // that other users can reach
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, config: map[string]any{"directory": directory}}
	t.Cleanup(func() { os.RemoveAll(directory) })
	if err := os.Chmod(directory, 0o711); err != nil {
		t.Fatal(err)
	}
	r.start()
	return r
}

// start starts the provider anew.
func (r *rig) start() {
	r.t.Helper()
	r.Provider = New()
	raw, err := json.Marshal(r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.Configure(r.t.Context(), raw); err != nil {
		r.t.Fatal(err)
	}
}

// program is an instance that runs a script. When the test ends, it is deleted, and nothing of it may stay.
func (r *rig) program(script, args string) provider.InstanceSpec {
	r.t.Helper()
	sum := sha256.Sum256([]byte(script))
	spec := provider.InstanceSpec{
		Tag:  provider.Tag{ID: uuid.Must(uuid.NewV7()).String(), Generation: 1, SpecDigest: "sha256:1"},
		Name: "web", Project: "demo", Kind: provider.InstanceUnikernel, VCPUs: 1, MemoryBytes: 1, CommandLine: args,
		Image: provider.ImageRef{SHA256: hex.EncodeToString(sum[:]), Format: provider.ImageKernel, SizeBytes: int64(len(script))},
		Power: provider.PowerRunning,
	}
	hosts, err := r.ListHosts(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	spec.HostID = hosts[0].ID
	if _, err := r.PutImage(r.t.Context(), spec.Image, 0, strings.NewReader(script)); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := r.DeleteInstance(context.WithoutCancel(r.t.Context()), spec.ID, quiet); err != nil {
			r.t.Error(err)
		}
		if left := marked(spec.ID); len(left) > 0 {
			r.t.Errorf("processes stay behind: %v", left)
		}
	})
	return spec
}

func (r *rig) apply(spec provider.InstanceSpec) provider.Instance {
	r.t.Helper()
	i, err := r.ApplyInstance(r.t.Context(), spec, quiet)
	if err != nil {
		r.t.Fatal(err)
	}
	return i
}

func (r *rig) get(id string) provider.Instance {
	r.t.Helper()
	i, err := r.GetInstance(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return i
}

// pid of the program that runs.
func (r *rig) pid(id string) int {
	r.t.Helper()
	now, running, err := r.home(id).running()
	if err != nil || !running || now.PID == 0 {
		r.t.Fatalf("it does not run: %+v, %v", now, err)
	}
	return now.PID
}

func quiet(string, int) {}

// until waits for what has to come.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for begin := time.Now(); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}
