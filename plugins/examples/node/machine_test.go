// SPDX-License-Identifier: Apache-2.0

// Package node_test tries what the conformance suite does not see of the example provider in Node: how it joins, and
// stays attached. That it is conformant, as a child and attached, is seen by `make test-conformance`.
package node_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/attach"
)

// program is the provider.
const program = "./main.js"

func TestMain(m *testing.M) {
	if _, err := os.Stat("node_modules"); err != nil {
		fmt.Fprintln(os.Stderr, "what the provider stands on is not here: run make node-modules")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// machine is one where the provider runs, and attaches to the core of this test.
type machine struct {
	t     *testing.T
	core  *core
	state string

	cmd *exec.Cmd
	log lockedBuffer
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	sources(t)
	m := &machine{t: t, core: newCore(t, tls.RequireAndVerifyClientCert), state: filepath.Join(t.TempDir(), "state")}
	t.Cleanup(func() {
		if err := m.kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(m.log.String())
		}
	})
	return m
}

// sources makes the go command run a test again when a file of the provider changed.
func sources(t *testing.T) {
	t.Helper()
	for _, pattern := range []string{"*.js*", "../proto/*", "../../../proto/rhyzome/provider/v1/*.proto"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			if _, err := os.Stat(file); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (m *machine) command(verb string, flags ...string) *exec.Cmd {
	return exec.Command(program, append([]string{verb, "--state-dir", m.state, "--machine-id", "m1"}, flags...)...)
}

// run runs a verb to its end, and returns what it said.
func (m *machine) run(stdin, verb string, flags ...string) (string, error) {
	cmd := m.command(verb, flags...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (m *machine) join() {
	m.t.Helper()
	if out, err := m.run(m.core.token(), "join", "--core", m.core.address(), "--token-file", "-"); err != nil {
		m.t.Fatalf("join: %v\n%s", err, out)
	}
}

func (m *machine) attach(flags ...string) {
	m.t.Helper()
	m.cmd = m.command("attach", flags...)
	m.cmd.Stderr = &m.log
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
}

// session waits for the next one.
func (m *machine) session() *attach.Session {
	m.t.Helper()
	s, err := m.core.host.Accept(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	return s
}

func (m *machine) kill() error {
	if m.cmd == nil {
		return nil
	}
	err := m.cmd.Process.Kill()
	m.cmd.Wait()
	m.cmd = nil
	return err
}

// identity is what the machine got when it joined, or when it renewed that.
func (m *machine) identity() string {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.state, "identity.json"))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text)
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 2000 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s: not within 20 s", what)
}

// lockedBuffer may be read while a process writes to it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String returns what was written.
func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
