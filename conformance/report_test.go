// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func someReport() Report {
	return Report{
		Profile: Core, Plugin: "mine", Version: "1.2.3", Services: []string{"compute"}, StartedAt: time.Unix(1700000000, 0).UTC(),
		Results: []Result{
			{ID: "A-B-001", Level: Must, Title: "first", Sentence: "One.", Outcome: Pass, Seconds: 0.5},
			{ID: "A-B-002", Level: Must, Title: "second", Sentence: "Two.", Fix: "Think.", Outcome: Fail, Detail: "it is <not>\nright",
				Calls: []Call{{Method: "InstanceService/GetInstance", Request: "{}", Error: "NotFound:", Seconds: 0.1}}},
			{ID: "A-B-003", Level: Must, Needs: "peers", Title: "third", Sentence: "Three.", Outcome: NotAdvertised},
		},
	}
}

func TestConformant(t *testing.T) {
	r := someReport()
	if r.Conformant() {
		t.Error("a MUST failed")
	}
	r.Results[1].Level = Should
	if !r.Conformant() {
		t.Error("only a SHOULD failed")
	}
	r.Partial = true
	if r.Conformant() || !strings.Contains(r.Summary(), "is not judged by, the profile core") {
		t.Errorf("only a part was tried: %s", r.Summary())
	}
	r.Partial = false
	r.Results = r.Results[1:]
	if r.Conformant() {
		t.Error("nothing passed")
	}
}

func TestReports(t *testing.T) {
	r := someReport()
	r.Leftover = "image x"
	var table, junit strings.Builder
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"pass            A-B-001", "                it is <not>\n                right\n", "contract: Two.", "called:   InstanceService/GetInstance {} -> NotFound: (0.100s)", "to mend:  Think.", "not advertised, so their cases were not tried: peers (1)\n",
		"left behind: image x", "mine 1.2.3 is NOT conformant with the profile core: 1 passed, 1 failed, 1 not advertised",
	} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, &table)
		}
	}

	if err := r.WriteJUnit(&junit); err != nil {
		t.Fatal(err)
	}
	var suite junitSuite
	if err := xml.Unmarshal([]byte(junit.String()), &suite); err != nil {
		t.Fatal(err)
	}
	if suite.Tests != 3 || suite.Failures != 1 || suite.Skipped != 1 || len(suite.Cases) != 3 ||
		suite.Cases[1].Failure == nil || !strings.HasPrefix(suite.Cases[1].Failure.Text, r.Results[1].Detail) || suite.Cases[2].Skipped == nil {
		t.Errorf("JUnit:\n%s", &junit)
	}
}

func TestLoadParams(t *testing.T) {
	write := func(content string) string {
		path := filepath.Join(t.TempDir(), "params.yaml")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	p, err := LoadParams(write("timeout: 90s\nconfig: {dir: \"${SCRATCH}/a\"}\nnetwork: {fabric: lan}\n"), "/tmp/x")
	if err != nil || p.Timeout != 90*time.Second || p.Config["dir"] != "/tmp/x/a" || p.Network.Fabric != "lan" {
		t.Errorf("params = %+v, %v", p, err)
	}
	for content, want := range map[string]string{
		"colour: green\n":                 "colour",
		"timeout: 9s\n---\ntimeout: 8s\n": "more than one",
		"timeout: soon\n":                 "/timeout",
		"timeout: 60\n":                   "/timeout",
		"limits: {parallel: 0}\n":         "/limits/parallel",
		"instance: {format: vhd}\n":       "/instance/format",
		"network: {ipv4: 10.0.0.0/24}\n":  "network.ipv4",
		"network: {ipv6: 10.0.0.0/8}\n":   "network.ipv6",
		"network: {ipv4: everywhere/8}\n": "everywhere",
		"network: {segment_max: 1}\n":     "network.segment_max",
		"hooks: {break_backend: rm x}\n":  "restore_backend",
	} {
		if _, err := LoadParams(write(content), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", content, err)
		}
	}
	if p, err := LoadParams(write(dataplane), ""); err != nil || p.Dataplane.GuestB.Command[0] != "ssh" || p.Dataplane.Pause != time.Second {
		t.Errorf("%+v, %v", p.Dataplane, err)
	}
	if _, err := LoadParams("/nonexistent", ""); err == nil {
		t.Error("no file, and no error")
	}
	if _, err := LoadConfig(write("a: 1\n---\nb: 2\n"), ""); err == nil || !strings.Contains(err.Error(), "more than one") {
		t.Errorf("two configurations: %v", err)
	}
	if _, err := LoadParams(write(""), ""); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}
