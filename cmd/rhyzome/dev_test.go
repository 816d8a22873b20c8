// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDevCore runs a core for development as its user would, makes a network on what it pretends, and sees that nothing
// is left.
func TestDevCore(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "rhyzome")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.MkdirAll(filepath.Join(dir, "rhyzome-dev-killed", "state", "pki"), 0o700); err != nil { // as kill -9 leaves it
		t.Fatal(err)
	}
	environment := append(os.Environ(), "TMPDIR="+dir, "RHYZOME_CONTEXTS="+filepath.Join(dir, "contexts.yaml"))
	server := exec.Command(program, "server", "--dev", "--dev-with", "network", "--rest-listen", free(t), "--attach-listen", free(t))
	server.Env, server.Stderr = environment, os.Stderr
	said, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Process.Kill()
	lines := bufio.NewScanner(said)
	var context []string
	for len(context) == 0 && lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); strings.HasPrefix(line, "rhyzome context set") {
			context = strings.Fields(line)[1:]
		}
	}
	client := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Env = environment
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := client(context...); err != nil {
		t.Fatalf("%q: %v\n%s", context, err, out)
	}
	var list string
	for began := time.Now(); !strings.Contains(list, "ready") && time.Since(began) < time.Minute; time.Sleep(50 * time.Millisecond) {
		if list, err = client("provider", "list"); err != nil {
			t.Fatalf("%v\n%s", err, list)
		}
	}
	if !strings.Contains(list, "network") || strings.Contains(list, "compute") {
		t.Errorf("providers:\n%s", list)
	}
	if out, err := client("network", "create", "net", "--wait"); err != nil || !strings.Contains(out, "ready") {
		t.Errorf("%v\n%s", err, out)
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	if err := server.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "rhyzome-dev-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDevWithNothing(t *testing.T) {
	cmd := newServerCommand()
	cmd.SetArgs([]string{"--dev", "--dev-with", "everything"})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "compute, network or both") {
		t.Error(err)
	}
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestFlagsOfDev refuses what would start another core than the one that was meant.
func TestFlagsOfDev(t *testing.T) {
	for want, args := range map[string][]string{
		"give --dev, too":       {"--dev-with", "network"},
		"leave --state-dir out": {"--dev", "--state-dir", t.TempDir()},
	} {
		cmd := newServerCommand()
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(args)
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
