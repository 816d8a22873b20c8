// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/pluginhost"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// buildDir holds the program, until TestMain ends.
var buildDir string

// memoryBinary builds the reference provider's program, once.
var memoryBinary = sync.OnceValues(func() (path string, err error) {
	if buildDir, err = os.MkdirTemp("", "rhyzome-memory"); err != nil {
		return "", err
	}
	path = filepath.Join(buildDir, "rhyzome-memory")
	out, err := exec.Command("go", "build", "-o", path, "../../plugins/examples/memory/cmd/rhyzome-memory").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func buildMemory(t *testing.T) string {
	t.Helper()
	path, err := memoryBinary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// process is a provider's program.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	log *bytes.Buffer
}

func startProcess(t *testing.T, path string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(path, args...), log: &bytes.Buffer{}}
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.kill() })
	return p
}

// kill kills the process with signal 9, and waits for its end.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	}
}

// stateDir writes a configuration whose backend outlives the process.
func stateDir(t *testing.T, delayMS int) (dir, config string) {
	t.Helper()
	dir = t.TempDir()
	config = filepath.Join(dir, "provider.yaml")
	text := fmt.Sprintf("state_dir: %s\nconfig:\n  state_file: %s\n  step_delay_ms: %d\n", dir, filepath.Join(dir, "backend.json"), delayMS)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, config
}

// joinByCommand runs the one line that an operator gets.
func (r *rig) joinByCommand(path, config, name string) core.Provider {
	r.t.Helper()
	p, fresh, err := r.ca.CreateToken(r.t.Context(), core.NewToken{Name: name})
	if err != nil {
		r.t.Fatal(err)
	}
	line := strings.NewReplacer("PLUGIN", path, "core.example:7443", r.address).Replace(fresh.Command) + " --config " + config
	out, err := exec.Command("sh", "-c", line).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("Joined as provider "+name)) {
		r.t.Fatalf("%v: %s", err, out)
	}
	return p
}

func TestARealProviderIsKilledInTheMiddleOfAnApply(t *testing.T) {
	t.Parallel()
	path := buildMemory(t)
	r := newRig(t)
	dir, config := stateDir(t, 2000)
	p := r.joinByCommand(path, config, "r1")
	first := startProcess(t, path, "attach", "--config", config)
	r.waitReady(p.ID)
	id, fence := newID(), r.fence()
	_, err := r.network(p.ID).ApplyNetwork(within(t), fence, netSpec(t, id, 1), func(string, int) { first.cmd.Process.Kill() })
	wantReason(t, err, fault.ProviderAway)
	r.observer.wait(t, 1, "detached "+p.ID)
	first.kill()
	startProcess(t, path, "attach", "--config", config)
	r.waitReady(p.ID)
	if s := r.observer.snapshots[1]; len(s.Networks) != 1 || s.Networks[0].Phase != provider.PhaseFailed ||
		s.Networks[0].Failure.Reason != fault.Interrupted {
		t.Errorf("what the dead process left: %+v", s.Networks)
	}
	n, err := r.network(p.ID).ApplyNetwork(within(t), fence, netSpec(t, id, 1), nil)
	if err != nil || n.Phase != provider.PhaseReady {
		t.Fatalf("repeated: %+v, %v", n, err)
	}
	if left := networksIn(t, dir); left != 1 {
		t.Errorf("%d networks in the backend", left)
	}
	if err := r.network(p.ID).DeleteNetwork(within(t), r.fence(), provider.Tag{ID: id}, nil); err != nil {
		t.Fatal(err)
	}
	if left := networksIn(t, dir); left != 0 {
		t.Errorf("%d networks in the backend", left)
	}
}

// networksIn counts what the backend's file holds.
func networksIn(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "backend.json"))
	if err != nil {
		t.Fatal(err)
	}
	var data struct{ Networks map[string]any }
	if err := json.Unmarshal(text, &data); err != nil {
		t.Fatal(err)
	}
	return len(data.Networks)
}

func TestARealProviderDrainsWhenItIsTold(t *testing.T) {
	t.Parallel()
	path := buildMemory(t)
	r := newRig(t)
	dir, config := stateDir(t, 2000)
	p := r.joinByCommand(path, config, "r1")
	proc := startProcess(t, path, "attach", "--config", config)
	r.waitReady(p.ID)
	var once sync.Once // a second signal ends the process at once
	n, err := r.network(p.ID).ApplyNetwork(within(t), r.fence(), netSpec(t, newID(), 1), func(string, int) {
		once.Do(func() { proc.cmd.Process.Signal(syscall.SIGTERM) })
	})
	if err := proc.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v: %s", err, proc.log)
	}
	if err != nil || n.Phase != provider.PhaseReady { // the outcome is told before the process ends
		t.Errorf("%+v, %v", n, err)
	}
	r.observer.wait(t, 1, "seen "+p.ID+" drained")
	r.observer.wait(t, 1, "detached "+p.ID)
	if draining, drained := r.observer.count("seen "+p.ID+" draining"), r.observer.count("seen "+p.ID+" drained"); draining == 0 || drained == 0 {
		t.Error("it was drained at once, while work ran")
	}
	text, err := os.ReadFile(filepath.Join(dir, "backend.json"))
	if err != nil || !bytes.Contains(text, []byte(`"Made":true`)) && !bytes.Contains(text, []byte(`"Made": true`)) {
		t.Errorf("the work was not finished: %s, %v", text, err)
	}
}

func TestAChildIsKeptRunning(t *testing.T) {
	t.Parallel()
	path := buildMemory(t)
	r := newRig(t)
	dir := t.TempDir()
	pids := filepath.Join(dir, "pids")
	script := filepath.Join(dir, "plugin")
	text := fmt.Sprintf("#!/bin/sh\necho $$ >> %s\nexec %s\n", pids, path)
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	child := pluginhost.Child{
		Path: script,
		Config: func() (json.RawMessage, error) {
			return json.RawMessage(fmt.Sprintf(`{"state_file": %q, "step_delay_ms": 2000}`, filepath.Join(dir, "backend.json"))), nil
		},
	}
	id, stop := r.keepChild("local", child)
	r.waitReady(id)
	if info := r.observer.infos[0]; info.Address != "child" || info.Way != core.WayChild || info.Plugin != "memory" {
		t.Errorf("info %+v", info)
	}
	network, fence := newID(), r.fence()
	_, err := r.network(id).ApplyNetwork(within(t), fence, netSpec(t, network, 1), func(string, int) {
		syscall.Kill(lastPID(t, pids), syscall.SIGKILL)
	})
	wantReason(t, err, fault.ProviderAway)
	r.waitReady(id)
	if _, err := r.network(id).ApplyNetwork(within(t), fence, netSpec(t, network, 1), nil); err != nil {
		t.Error(err)
	}
	if n := networksIn(t, dir); n != 1 {
		t.Errorf("%d networks in the backend", n)
	}
	last := lastPID(t, pids)
	if err := stop(); err != nil {
		t.Errorf("KeepChild: %v", err)
	}
	if err := syscall.Kill(last, 0); err == nil {
		t.Error("the child outlives its core")
	}
	r.observer.wait(t, 1, "detached "+id, "the core stops")
}

// local makes the row of a local provider.
func (r *rig) local(name string) core.Provider {
	r.t.Helper()
	p, err := r.ca.AddLocal(r.t.Context(), newID(), name, core.LocalProvider{})
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// keepChild keeps a child of a new provider until stop, which returns what KeepChild did.
func (r *rig) keepChild(name string, c pluginhost.Child) (id string, stop func() error) {
	r.t.Helper()
	p := r.local(name)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.host.KeepChild(ctx, p, c) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	r.t.Cleanup(func() { stop() })
	return p.ID, stop
}

func lastPID(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(text))
	pid, err := strconv.Atoi(lines[len(lines)-1])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestChildrenThatCannotStart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	wantReason(t, r.host.KeepChild(t.Context(), r.local("b"), pluginhost.Child{Path: "/bin/true", SHA256: "abc"}), fault.InvalidField)
	script := writeScript(t, "echo the disk is on fire >&2\nexit 3\n")
	c, stop := r.keepChild("c", pluginhost.Child{Path: script})
	r.log.wait(t, 2, "process ended", "the disk is on fire")
	r.keepChild("d", pluginhost.Child{Path: script, SHA256: strings.Repeat("0", 64)})
	r.log.wait(t, 1, "provider=d", "checksum")
	r.keepChild("e", pluginhost.Child{Path: "/nowhere/plugin"})
	r.log.wait(t, 1, "provider=e", "no such file")
	r.observer.wait(t, 1, "seen "+c+" crashing its process ended 5 times in a row", "the disk is on fire")
	if err := stop(); err != nil {
		t.Errorf("KeepChild: %v", err)
	}
}

// Why a program does not serve is one sentence, after what the program itself said.
func TestWhyAChildDoesNotServe(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mute, stop := r.keepChild("silent", pluginhost.Child{Path: writeScript(t, "sleep 1000\n")})
	r.observer.wait(t, 1, "seen "+mute+" unreachable its process was started: no handshake yet")
	if err := stop(); err != nil {
		t.Errorf("KeepChild: %v", err)
	}
	for name, c := range map[string]struct{ body, why string }{
		"mute":   {"exit 3\n", `its process ended: it ended with exit status 3 without a handshake: is it a provider?`},
		"worded": {"echo the disk is on fire >&2\nexit 3\n", `its process ended: "the disk is on fire"; it ended with exit status 3 without a handshake`},
		"chatty": {"echo hello\nsleep 1000\n", `its process ended: it wrote "hello" instead of a handshake: is it a provider?`},
	} {
		news := make(chan pluginhost.News, 1)
		id, stop := r.keepChild(name, pluginhost.Child{Path: writeScript(t, c.body), Tell: func(n pluginhost.News) {
			select {
			case news <- n:
			default:
			}
		}})
		if n := <-news; n.Ended == nil || !strings.HasPrefix(n.Ended.Error(), c.why) {
			t.Errorf("%s: %v", name, n.Ended)
		}
		r.observer.wait(t, 1, "seen "+id+" unreachable "+c.why)
		if err := stop(); err != nil {
			t.Errorf("%s: KeepChild: %v", name, err)
		}
	}
}

func writeScript(t *testing.T, body string) string {
	t.Helper()
	script := filepath.Join(t.TempDir(), "plugin")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"+body), 0o700); err != nil {
		t.Fatal(err)
	}
	return script
}

// What a deleted provider ran is gone when KeepChild returns.
func TestAChildOfADeletedProviderEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	pids := filepath.Join(t.TempDir(), "pids")
	script := writeScript(t, fmt.Sprintf("sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >> %s\nexec %s\n", pids, buildMemory(t)))
	p := r.local("local")
	ended := make(chan error, 1)
	go func() { ended <- r.host.KeepChild(t.Context(), p, pluginhost.Child{Path: script}) }()
	r.waitReady(p.ID)
	if err := r.ca.RevokeProvider(t.Context(), p.ID); err != nil {
		t.Fatal(err)
	}
	wantReason(t, <-ended, fault.ProviderRevoked)
	gone(t, lastPID(t, pids))
	wantReason(t, r.host.KeepChild(t.Context(), p, pluginhost.Child{Path: script}), fault.ProviderRevoked)
}

// gone waits until a process has ended, reaped or not.
func gone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(text), ") Z ") {
			return
		}
	}
	t.Errorf("process %d is still there", pid)
}

// A child sees nothing of the core's environment and data, whatever it tries.
func TestAChildIsAUserOfItsOwn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only a core that is root can give its children users: run the tests as root")
	}
	t.Setenv("RHYZOME_SECRET", "of-the-core")
	r := newRig(t)
	state := t.TempDir()
	secret := filepath.Join(state, "ca.key")
	if err := errors.Join(os.Chmod(state, 0o700), os.WriteFile(secret, []byte("key"), 0o644)); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(state, "plugin")
	out, err := os.MkdirTemp("", "report") // t.TempDir is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(out) })
	if err := os.Chmod(out, 0o777); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`#!/bin/sh
{
echo ids $(id -u) $(id -g) $(id -G)
env
cat %[1]s; ls %[2]s; cat /proc/$PPID/environ
echo x >> "$0"
} > %[3]s/new 2>&1
mv %[3]s/new %[3]s/report
sleep 1000
`, secret, state, out)
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	const uid = 0x7268_0007
	r.keepChild("local", pluginhost.Child{Path: script, UID: uid})
	report := waitFile(t, filepath.Join(out, "report"))
	for _, want := range []string{
		fmt.Sprintf("ids %[1]d %[1]d %[1]d\n", uid), secret + ": Permission denied", state + "': Permission denied",
		"/environ: Permission denied", "plugin: Permission denied",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("no %q in what the child saw:\n%s", want, report)
		}
	}
	if strings.Contains(report, "of-the-core") || !strings.Contains(report, "HOME=") {
		t.Errorf("the child's environment:\n%s", report)
	}
}

// waitFile waits until there is a file, and returns what is in it.
func waitFile(t *testing.T, path string) string {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(path)
		if err == nil {
			return string(text)
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
