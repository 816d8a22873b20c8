// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// run executes a command line, and returns what it printed.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	cmd := command()
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestVerdicts(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "rhyzome-memory")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../plugins/examples/memory/cmd/rhyzome-memory")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	junit := filepath.Join(dir, "junit.xml")
	const params = "../../plugins/examples/memory/conformance.yaml"
	out, err := run(t, "run", "--plugin", program, "--params", params, "--run", "INSTANCE-LIST-001", "--junit", junit)
	if err != nil || !strings.Contains(out, "memory 0.1.0 was tried with a part of, and is not judged by, the profile core: 1 passed") {
		t.Errorf("%v\n%s", err, out)
	}
	if err := exec.CommandContext(t.Context(), "openssl", "genpkey", "-algorithm", "ed25519", "-out", filepath.Join(dir, "key")).Run(); err != nil {
		t.Fatal(err)
	}
	if err := exec.CommandContext(t.Context(), "openssl", "pkey", "-in", filepath.Join(dir, "key"), "-pubout", "-out", filepath.Join(dir, "key.pub")).Run(); err != nil {
		t.Fatal(err)
	}
	signed := filepath.Join(dir, "report.yaml")
	out, err = run(t, "run", "--plugin", program, "--params", params, "--attach", "127.0.0.1:0", "--run", "INSTANCE-LIST-001",
		"--report", signed, "--sign-key", filepath.Join(dir, "key"))
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = run(t, "verify", signed, "--key", filepath.Join(dir, "key.pub"), "--plugin", program)
	var verdict exitCode
	if !errors.As(err, &verdict) || verdict != exitNotConformant || !strings.Contains(out, "is not judged by") || !strings.Contains(out, "by attach") || !strings.Contains(out, "signed with the key") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := run(t, "verify", signed, "--plugin", "/bin/true"); err == nil {
		t.Errorf("the report passes for another program's\n%s", out)
	}
	out, err = run(t, "run", "--plugin", program, "--params", params, "--sweep")
	if err != nil || !strings.Contains(out, "0 objects of earlier runs removed") {
		t.Errorf("%v\n%s", err, out)
	}

	// Without a file to keep its state in, it forgets everything.
	out, err = run(t, "run", "--plugin", program, "--run", "INSTANCE-LIST-001")
	var code exitCode
	if !errors.As(err, &code) || code != exitNotConformant || !strings.Contains(out, "fail            INSTANCE-LIST-001") {
		t.Errorf("%v\n%s", err, out)
	}
	known := filepath.Join(dir, "known")
	if err := os.WriteFile(known, []byte("INSTANCE-LIST-001 it keeps nothing\nINSTANCE-GET-001 not true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for focus, ok := range map[string]bool{"INSTANCE-(LIST-001|DELETE-001)": true, "INSTANCE-(LIST|GET|DELETE)-001": false} {
		if out, err := run(t, "run", "--plugin", program, "--run", focus, "--known-failing", known); (err == nil) != ok {
			t.Errorf("%s: %v\n%s", focus, err, out)
		}
	}
	if _, err := run(t, "run", "--plugin", program, "--params", params, "--run", "NOTHING"); err == nil || errors.As(err, &code) {
		t.Errorf("a focus on nothing: %v", err)
	}
}

func TestNotJudged(t *testing.T) {
	nothing := filepath.Join(t.TempDir(), "nothing.yaml")
	if err := os.WriteFile(nothing, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"run"},
		{"run", "--plugin", "/bin/true"},
		{"run", "--plugin", "/bin/true", "--run", "("},
		{"run", "--plugin", "/bin/true", "--profile", "everything"},
		{"run", "--plugin", "/bin/true", "--params", "/nonexistent"},
		{"explain", "NOT-A-CASE"},
		{"explain"},
		{"list", "--profile", "nope"},
		{"run", "--plugin", "/bin/true", "--known-failing", "/nonexistent"},
		{"run", "--plugin", "/bin/true", "--config", "/nonexistent"},
		{"verify", "main.go"},
		{"verify", "/nonexistent"},
		{"verify", nothing},
	} {
		var code exitCode
		if _, err := run(t, args...); err == nil || errors.As(err, &code) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// What a run could not write is said before the program is started, and no file is left, or touched, by the question.
func TestOutputIsTriedFirst(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	killed := filepath.Join(dir, scratchPrefix+"killed")        // as a suite that was killed leaves it
	ofLibrary, err := os.MkdirTemp(dir, "rhyzome-conformance-") // as conformance.Child makes one in another process
	if err := errors.Join(err, os.Mkdir(killed, 0o700)); err != nil {
		t.Fatal(err)
	}
	started := filepath.Join(dir, "started")
	program := filepath.Join(dir, "provider")
	if err := os.WriteFile(program, []byte("#!/bin/sh\ntouch "+started+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	earlier, fresh := filepath.Join(dir, "earlier.yaml"), filepath.Join(dir, "fresh.yaml")
	if err := os.WriteFile(earlier, []byte("of before"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"--report: ":        {"--report", filepath.Join(dir, "absent", "r.yaml"), "--junit", fresh},
		"--junit: ":         {"--junit", dir, "--report", earlier},
		"holds no PEM":      {"--sign-key", earlier, "--report", fresh},
		"--sign-key signs ": {"--sign-key", earlier, "--junit", fresh},
	} {
		if _, err := run(t, append([]string{"run", "--plugin", program}, args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", args, err)
		}
	}
	for _, absent := range []string{started, fresh, killed} {
		if _, err := os.Stat(absent); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", absent, err)
		}
	}
	if _, err := os.Stat(ofLibrary); err != nil {
		t.Errorf("another process's directory: %v", err)
	}
	if text, err := os.ReadFile(earlier); err != nil || string(text) != "of before" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestListAndExplain(t *testing.T) {
	out, err := run(t, "list")
	if err != nil || !strings.Contains(out, "PEER-FENCE-002") || strings.Contains(out, "contract:") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = run(t, "list", "--wide", "--profile", "core")
	if err != nil || !strings.Contains(out, "catches: cancels for whoever is late (no other case does); ignores fences") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = run(t, "explain", "PEER-FENCE-002")
	for _, want := range []string{"contract:  The highest fence MUST", "to mend:   Do not forget", "catches:   forgets the fences of what is deleted (no other case does)"} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%v; it must say %q\n%s", err, want, out)
		}
	}
	out, err = run(t, "schema")
	if err != nil || !strings.Contains(out, `"break_backend"`) {
		t.Errorf("%v\n%s", err, out)
	}
}
