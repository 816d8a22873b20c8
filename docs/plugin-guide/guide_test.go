// SPDX-License-Identifier: Apache-2.0

// Package guide runs the commands of the plugin guide as they are written.
package guide

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// guideWithin is how long all of it may take, compiling included.
const guideWithin = 8 * time.Minute

// TestTheGuideRuns takes every block of commands in README.md and runs them one after the other, in one shell, beside a copy
// of this repository. Only the directory /tmp/acme and the two ports are changed, so that nobody else's are touched.
func TestTheGuideRuns(t *testing.T) {
	work := t.TempDir()
	copyRepository(t, filepath.Join(work, "rhyzome"))
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("/tmp/acme", filepath.Join(work, "tmp"), "18443", "28443", "17443", "27443").Replace(string(page))
	// The second file is written by hand from a block of YAML.
	settings := between(t, text, "```yaml\n# acme/provider.yaml", "```")
	script := "set -euo pipefail\nmkdir -p " + filepath.Join(work, "tmp") + "\n"
	blocks := strings.Split(text, "```sh\n")[1:]
	for i, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		if strings.Contains(block, "--config provider.yaml check") {
			script += "cat >provider.yaml <<'SETTINGS'\n#" + settings + "SETTINGS\n"
		}
		script += fmt.Sprintf("echo '== block %d'\n", i+1) + allowFailure(block)
	}
	out, err := run(t, work, script)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"hello-compute 0.1.0 is conformant", "Delete of nothing MUST succeed.", "signed with the key", "Joined as provider greeter",
		"Hello from web, which is running.", "hello-network 0.1.0 is conformant with the profile extended",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

// allowFailure lets the run on the broken copy fail, as the guide says it does.
func allowFailure(block string) string {
	return strings.Replace(block, "--log provider.log --junit report.xml\n", "--log provider.log --junit report.xml && exit 9\n", 1)
}

func between(t *testing.T, text, begin, end string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, begin)
	found, _, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("the page has no %q", begin)
	}
	return found
}

// copyRepository copies what git knows of this repository, as a checkout would have it.
func copyRepository(t *testing.T, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	copying := exec.CommandContext(t.Context(), "sh", "-c", "git ls-files -z | xargs -0 cp --parents -t "+to)
	copying.Dir = "../.."
	if out, err := copying.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// run runs a script with all that it starts in one process group, and ends the group with it.
func run(t *testing.T, dir, script string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false -trimpath", "HOME="+dir, "GOPATH="+goEnv(t, "GOPATH"), "GOCACHE="+goEnv(t, "GOCACHE"),
		"GOMODCACHE="+goEnv(t, "GOMODCACHE"), "RHYZOME_CONTEXTS="+filepath.Join(dir, "contexts.yaml"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second // the core and the provider hold the output open
	if err := cmd.Start(); err != nil {
		return "", err
	}
	group := -cmd.Process.Pid
	limit := time.AfterFunc(guideWithin, func() { _ = syscall.Kill(group, syscall.SIGKILL) })
	defer limit.Stop()
	state, err := cmd.Process.Wait()
	_ = syscall.Kill(group, syscall.SIGKILL) // what still runs in the background
	_ = cmd.Wait()                           // says that it was waited for
	if err == nil && !state.Success() {
		err = fmt.Errorf("the commands end with %s", state)
	}
	return out.String(), err
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
