// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// office is a core with its command line, as its operator has them.
type office struct {
	t       *testing.T
	dir     string
	program string
	env     []string
}

// newOffice runs a core until the test ends.
func newOffice(t *testing.T) *office {
	t.Helper()
	dir, err := os.MkdirTemp("", "rhyzome-office") // t.TempDir is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	m := &office{t: t, dir: dir}
	m.program = filepath.Join(m.dir, "rhyzome")
	m.build(m.program, ".")
	state, rest := filepath.Join(m.dir, "state"), free(t)
	m.env = append(os.Environ(), "RHYZOME_CONTEXTS="+filepath.Join(m.dir, "contexts.yaml"), "RHYZOME_URL=https://"+rest,
		"RHYZOME_CA_FILE="+filepath.Join(state, "pki", "ca.crt"), "RHYZOME_TOKEN_FILE="+filepath.Join(state, "operator.token"))
	server := exec.Command(m.program, "server", "--state-dir", state, "--rest-listen", rest, "--attach-listen", free(t), "--log-level", "warn")
	server.Env, server.Stderr = m.env, os.Stderr
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := server.Wait(); err != nil {
			t.Errorf("the core ended with %v", err)
		}
	})
	m.await("an answer", func() bool { _, err := m.run("provider", "list"); return err == nil })
	return m
}

func (m *office) build(to, of string) {
	m.t.Helper()
	if out, err := exec.CommandContext(m.t.Context(), "go", "build", "-o", to, of).CombinedOutput(); err != nil {
		m.t.Fatalf("%v\n%s", err, out)
	}
}

func (m *office) run(args ...string) (string, error) {
	cmd := exec.Command(m.program, args...)
	cmd.Env = m.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// must runs a command whose output has to hold all the words.
func (m *office) must(args []string, words ...string) string {
	m.t.Helper()
	out, err := m.run(args...)
	for _, w := range words {
		if err != nil || !strings.Contains(out, w) {
			m.t.Fatalf("%q: no %q, %v\n%s", args, w, err, out)
		}
	}
	return out
}

// refused runs a command that has to fail, with all the words.
func (m *office) refused(args []string, words ...string) {
	m.t.Helper()
	out, err := m.run(args...)
	for _, w := range words {
		if err == nil || !strings.Contains(out, w) {
			m.t.Fatalf("%q: no %q, %v\n%s", args, w, err, out)
		}
	}
}

func (m *office) await(what string, is func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatalf("not: %s", what)
		}
	}
}

// awaitGet waits until `provider get` shows all the words.
func (m *office) awaitGet(name string, words ...string) {
	m.t.Helper()
	var out string
	for _, w := range words {
		m.await(w, func() bool {
			out, _ = m.run("provider", "get", name)
			return strings.Contains(out, w)
		})
	}
}

func (m *office) write(name, text string, mode os.FileMode) string {
	m.t.Helper()
	path := filepath.Join(m.dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		m.t.Fatal(err)
	}
	return path
}

func sum(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(content)
	return hex.EncodeToString(digest[:])
}

// TestAProviderThatTheCoreRuns is the life of one, as its operator sees it.
func TestAProviderThatTheCoreRuns(t *testing.T) {
	m := newOffice(t)
	memory := filepath.Join(m.dir, "rhyzome-memory")
	m.build(memory, "../../plugins/examples/memory/cmd/rhyzome-memory")
	config := m.write("acme.yaml", "step_delay_ms: 1\n", 0o600)
	m.must([]string{"provider", "add", "acme", "--binary", memory, "--sha256", sum(t, memory), "--config", config}, "acme")
	m.awaitGet("acme", "state          ready", "step_delay_ms: 1", "program        SHA-256 "+sum(t, memory)+" (measured)", "lease  ", "memory-host", "memory-router")

	wrong := m.write("wrong.yaml", "step_delay_ms: fast\ncolour: red\n", 0o600)
	m.refused([]string{"provider", "configure", "acme", "--file", wrong, "--yes"}, "wrong.yaml /step_delay_ms", "wrong.yaml /colour", "invalid_field")
	next := m.write("next.yaml", "step_delay_ms: 2\nhosts: []\n", 0o600)
	m.must([]string{"provider", "configure", "acme", "--file", next, "--dry-run"}, "~ /step_delay_ms: 1 -> 2", "+ /hosts: []", "Then the core will")
	m.must([]string{"provider", "get", "acme"}, "step_delay_ms: 1")
	m.must([]string{"provider", "configure", "acme", "--file", next, "--yes"}, "~ /step_delay_ms: 1 -> 2")
	m.must([]string{"provider", "get", "acme"}, "step_delay_ms: 2", "state          ready")

	m.must([]string{"provider", "drain", "acme", "--wait"}, "drained")
	m.must([]string{"provider", "undrain", "acme"}, "acme")
	m.awaitGet("acme", "state          ready")

	crashes := m.write("crashes", "#!/bin/sh\necho no power >&2\nexit 1\n", 0o755)
	m.refused([]string{"provider", "upgrade", "acme", "--binary", crashes, "--sha256", sum(t, crashes)}, "--binary its process does not serve", "no power")
	// The second life of this one is short.
	once := m.write("once", fmt.Sprintf("#!/bin/sh\nmkdir %s/lives/1 2>/dev/null && exec %s\nexit 1\n", m.dir, memory), 0o755)
	m.openToChildren("lives")
	m.refused([]string{"provider", "upgrade", "acme", "--binary", once, "--sha256", sum(t, once)}, "rolled back: its process ended", "runs again")
	m.awaitGet("acme", "state          ready", "rolled back", "SHA-256 "+sum(t, memory)+" (measured)", "step_delay_ms: 2")
	m.must([]string{"provider", "list"}, "upgrade rolled back")

	good := m.write("good", "#!/bin/sh\nexec "+memory+"\n", 0o755)
	m.must([]string{"provider", "upgrade", "acme", "--binary", good, "--sha256", sum(t, good)}, ": done")
	m.awaitGet("acme", "state          ready", "SHA-256 "+sum(t, good)+" (measured)")
	m.must([]string{"provider", "delete", "acme"}, "")
}

// openToChildren makes a directory that the core's children can write in.
func (m *office) openToChildren(name string) {
	m.t.Helper()
	dir := filepath.Join(m.dir, name)
	if err := os.Mkdir(dir, 0o777); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		m.t.Fatal(err)
	}
}
