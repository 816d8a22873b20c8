// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"regexp"
	"strings"
	"testing"
)

// restarting are the cases that depend most on the process, and what dies with it.
var restarting = regexp.MustCompile(`^(PROVIDER-.*|[A-Z]+-LIST-00\d|[A-Z]+-FENCE-003|WATCH-SNAPSHOT-001)$`)

// interruptible is how many milliseconds a step takes here: long enough to be seen and killed on a machine that is busy.
const interruptible = 150

func TestChild(t *testing.T) {
	t.Parallel()
	program, dir := memoryProgram(t), t.TempDir()
	p, err := LoadParams("../plugins/examples/memory/conformance.yaml", dir)
	if err != nil {
		t.Fatal(err)
	}
	p.Config["step_delay_ms"] = interruptible
	child := &Child{Path: program, AutoMTLS: true}
	defer child.Close()
	report, err := Runner{Target: child, Params: p, Focus: restarting}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range report.Results {
		if result.Outcome != Pass {
			t.Errorf("%s: %s\n%s", result.ID, result.Outcome, result.Detail)
		}
	}
	if len(report.Results) < 20 || !report.Expected() || report.Leftover != "" {
		t.Errorf("%d cases; left behind: %q; %s", len(report.Results), report.Leftover, report.Summary())
	}
}

func TestChildThatIsNone(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"/bin/true", "/nonexistent"} {
		child := &Child{Path: program, AutoMTLS: true}
		_, err := Runner{Target: child}.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), program) {
			t.Errorf("%s: %v", program, err)
		}
		if err := child.Close(); err != nil {
			t.Error(err)
		}
	}
}
