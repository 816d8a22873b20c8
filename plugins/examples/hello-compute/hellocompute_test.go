// SPDX-License-Identifier: Apache-2.0

package hellocompute_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rhyzome/rhyzome/conformance"
	hello "github.com/rhyzome/rhyzome/plugins/examples/hello-compute"
	"github.com/rhyzome/rhyzome/sdk/engine"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestConformance(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "hello")
	target := conformance.InProcess(func() provider.Provider { return hello.New() }, engine.Options{})
	conformance.TestProfile(t, conformance.Extended, target, conformance.Params{
		Config: map[string]any{"directory": directory},
		Hooks: conformance.Hooks{
			BreakBackend: "mv " + directory + " " + directory + ".away", RestoreBackend: "mv " + directory + ".away " + directory,
			ListLeftovers: "ls " + directory,
		},
	})
}

const id = "0198c0de-0000-7000-8000-000000000001"

// open returns a provider over a directory, as a new process would, and the spec of an instance on it.
func open(t *testing.T, directory string) (*hello.Provider, provider.InstanceSpec) {
	t.Helper()
	p := hello.New()
	if err := p.Configure(t.Context(), []byte(`{"directory":"`+directory+`"}`)); err != nil {
		t.Fatal(err)
	}
	hosts, err := p.ListHosts(t.Context())
	if err != nil || len(hosts) != 1 {
		t.Fatalf("hosts: %+v, %v", hosts, err)
	}
	return p, provider.InstanceSpec{
		Tag: provider.Tag{ID: id, Generation: 1, SpecDigest: "sha256:1"}, Name: "web", HostID: hosts[0].ID, Power: provider.PowerRunning,
	}
}

func progress(string, int) {}

func TestWhatADeadProcessLeftIsSeen(t *testing.T) {
	directory := t.TempDir()
	p, spec := open(t, directory)
	// Writing the greeting fails, so the work ends where a process could have died.
	greeting := filepath.Join(directory, id+".txt")
	if err := os.Mkdir(greeting, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := p.ApplyInstance(t.Context(), spec, progress); fault.ReasonOf(err) != fault.BackendDown {
		t.Fatalf("made over a directory: %v", err)
	}
	p, _ = open(t, directory)
	all, err := p.ListInstances(t.Context())
	if err != nil || len(all) != 1 || all[0].Phase != provider.PhaseFailed || fault.ReasonOf(all[0].Failure) != fault.Interrupted {
		t.Fatalf("listed: %+v, %v", all, err)
	}
	// What cannot be removed either stays listed.
	if err := os.WriteFile(filepath.Join(greeting, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.DeleteInstance(t.Context(), id, progress); fault.ReasonOf(err) != fault.BackendDown {
		t.Errorf("deleted: %v", err)
	}
	if _, err := p.GetInstance(t.Context(), id); err != nil {
		t.Errorf("it is forgotten: %v", err)
	}
	if err := os.RemoveAll(greeting); err != nil {
		t.Fatal(err)
	}
	if i, err := p.ApplyInstance(t.Context(), spec, progress); err != nil || i.Phase != provider.PhaseReady {
		t.Errorf("applied again: %+v, %v", i, err)
	}
	if said, err := os.ReadFile(greeting); string(said) != "Hello from web, which is running.\n" {
		t.Errorf("it says %q, %v", said, err)
	}
}

func TestConfigureWithAFile(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := hello.New().Configure(t.Context(), []byte(`{"directory":"`+blocked+`"}`)); fault.ReasonOf(err) != fault.InvalidField {
		t.Errorf("configured with a file: %v", err)
	}
}
