// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestKnownFailing(t *testing.T) {
	t.Parallel()
	target := InProcess(func() provider.Provider { return listsTwice{broken{memory.New(memory.NewBackend())}} }, quick)
	defer target.Close()
	known := Known{"INSTANCE-APPLY-001": "it lists twice", "INSTANCE-GET-001": "it was broken once"}
	report, err := Runner{
		Target: target, Params: params, Known: known, Focus: regexp.MustCompile("^INSTANCE-(APPLY-001|GET-001|DELETE-001)$"),
	}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Result{}
	for _, r := range report.Results {
		got[r.ID] = r
	}
	if r := got["INSTANCE-APPLY-001"]; r.Outcome != KnownFailing || !strings.Contains(r.Detail, "it lists twice") || !strings.Contains(r.Detail, "2 times") {
		t.Errorf("a known failure: %+v", r)
	}
	if r := got["INSTANCE-GET-001"]; r.Outcome != Fail || !strings.Contains(r.Detail, "take it off") {
		t.Errorf("a listed case that passes: %+v", r)
	}
	if report.Conformant() || report.Expected() {
		t.Error("a list that is wrong is no success")
	}
	delete(known, "INSTANCE-GET-001")
	report.Results[1] = got["INSTANCE-DELETE-001"]
	report.Results = report.Results[:2]
	if report.Conformant() || report.Count(KnownFailing) != 1 {
		t.Errorf("what fails is not conformant, known or not: %+v", report.Results)
	}
}

func TestLoadKnown(t *testing.T) {
	write := func(content string) string {
		path := filepath.Join(t.TempDir(), "known")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	known, err := LoadKnown(write("# ours\n\nINSTANCE-APPLY-005  no locks yet\n"))
	if err != nil || len(known) != 1 || known["INSTANCE-APPLY-005"] != "no locks yet" {
		t.Errorf("known = %v, %v", known, err)
	}
	for content, want := range map[string]string{
		"NO-SUCH-CASE why\n":       ":1: there is no case NO-SUCH-CASE",
		"\nINSTANCE-APPLY-005\n":   ":2: say behind INSTANCE-APPLY-005 why",
		"INSTANCE-APPLY-005    \n": ":1: say behind INSTANCE-APPLY-005 why",
	} {
		if _, err := LoadKnown(write(content)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", content, err)
		}
	}
}
