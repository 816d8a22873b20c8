// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/conformance"
	"github.com/rhyzome/rhyzome/sdk/client"
)

// TestReportsOfTheSuite reads what the conformance suite writes, signed.
func TestReportsOfTheSuite(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	written := conformance.Report{
		Suite: "0.2.0", Profile: "core", Plugin: "acme", Version: "1.2.0", StartedAt: at,
		Way: conformance.Way{Kind: "child", Digest: strings.Repeat("5", 64)},
	}
	for outcome, n := range map[conformance.Outcome]int{
		conformance.Pass: 5, conformance.Fail: 4, conformance.NotAdvertised: 3, conformance.Limit: 2, conformance.KnownFailing: 1,
	} {
		for range n {
			written.Results = append(written.Results, conformance.Result{ID: "A", Outcome: outcome})
		}
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := written.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "report.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	want := client.ConformanceReport{
		Suite: "0.2.0", Profile: "core", Plugin: "acme", Version: "1.2.0", SHA256: strings.Repeat("5", 64), At: at,
		Passed: 5, Failed: 4, NotAdvertised: 3, Limited: 2, KnownFailing: 1,
	}
	if got, err := readReport(file); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}
