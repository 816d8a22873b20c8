// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// memoryProgram builds the memory provider.
func memoryProgram(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "rhyzome-memory")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../plugins/examples/memory/cmd/rhyzome-memory")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

func TestAttached(t *testing.T) {
	t.Parallel()
	program, dir := memoryProgram(t), t.TempDir()
	p, err := LoadParams("../plugins/examples/memory/conformance.yaml", dir)
	if err != nil {
		t.Fatal(err)
	}
	p.Config["step_delay_ms"] = interruptible
	attached := &Attached{Path: program, Args: []string{"{}", "--log-level", "warn"}, Address: "127.0.0.1:0", Dir: dir}
	defer attached.Close()
	report, err := Runner{Target: attached, Params: p, Focus: restarting}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range report.Results {
		if result.Outcome != Pass {
			t.Errorf("%s: %s\n%s", result.ID, result.Outcome, result.Detail)
		}
	}
	if report.Way.Kind != "attach" || len(report.Way.Digest) != 64 || report.Leftover != "" {
		t.Errorf("way %+v; left behind: %q", report.Way, report.Leftover)
	}
}

func TestAttachedThatDoesNot(t *testing.T) {
	t.Parallel()
	for program, want := range map[string]string{"/bin/false": "does not join", "/nonexistent": "no such file"} {
		attached := &Attached{Path: program, Address: "127.0.0.1:0", Dir: t.TempDir()}
		_, err := Runner{Target: attached}.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", program, err)
		}
		if err := attached.Close(); err != nil {
			t.Error(err)
		}
	}
}
