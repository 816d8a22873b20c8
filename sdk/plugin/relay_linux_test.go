// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/rhyzome/rhyzome/conformance"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/handshake"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// relayProcess is a relay, with the memory provider as its program, that attaches to this test.
type relayProcess struct {
	host    *attach.Host
	args    []string
	env     []string
	cmd     *exec.Cmd
	log     lockedBuffer
	session *attach.Session
}

// newRelay returns one whose machine has these settings.
func newRelay(t *testing.T, settings ...string) *relayProcess {
	t.Helper()
	ca, dir := newAuthority(t), t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ca.enrolled(dir, l.Addr().String())
	config := writeFile(t, "provider.yaml", "state_dir: "+dir+"\nconfig: {"+strings.Join(settings, ", ")+"}\n")
	r := &relayProcess{
		host: attach.NewHost(l, ca.server(), []int{handshake.ProtocolVersion}, slog.New(slog.DiscardHandler), nil),
		args: []string{"relay", "attach", "--config", config, "--", os.Args[0]},
		env:  append(os.Environ(), "TMPDIR="+t.TempDir()),
	}
	t.Cleanup(func() {
		r.host.Close()
		r.kill()
		if t.Failed() {
			t.Log(r.log.String())
		}
	})
	return r
}

// connect starts the relay, if need be, and waits until it attaches.
func (r *relayProcess) connect(ctx context.Context) (grpc.ClientConnInterface, error) {
	if r.cmd == nil {
		r.cmd = exec.Command(os.Args[0], r.args...)
		r.cmd.Env, r.cmd.Stderr = r.env, &r.log
		if err := r.cmd.Start(); err != nil {
			return nil, err
		}
	}
	if r.session == nil {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		var err error
		if r.session, err = r.host.Accept(ctx); err != nil {
			return nil, fmt.Errorf("nobody attached: %w", err)
		}
	}
	return r.session.Conn(), nil
}

// kill kills the relay.
func (r *relayProcess) kill() error {
	if r.cmd == nil {
		return nil
	}
	err := r.cmd.Process.Kill()
	r.cmd.Wait()
	r.cmd, r.session = nil, nil
	return err
}

// connected returns a client of the provider, which is configured.
func (r *relayProcess) connected(t *testing.T, config map[string]any) *wire.Client {
	t.Helper()
	cc, err := r.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	client := wire.NewClient(cc)
	if _, err := client.Configure(t.Context(), 1, text, 0); err != nil {
		t.Fatal(err)
	}
	return client
}

// stored is a configuration whose objects outlive the process.
func stored(t *testing.T) map[string]any {
	return map[string]any{"state_file": filepath.Join(t.TempDir(), "backend.json")}
}

// childOf finds the one child of a process.
func childOf(parent int) (int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it ended meanwhile
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(parent) && fields[0] != "Z" {
			return strconv.Atoi(strings.Split(stat, "/")[2])
		}
	}
	return 0, fmt.Errorf("process %d has no child", parent)
}

func TestARelayedProviderIsConformant(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "rz-") // a short path: that of a unix socket has 107 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(log.String())
		}
	})
	relay := &conformance.Attached{
		Path: os.Args[0], Args: []string{"relay", "{}", "--", os.Args[0]}, Address: "127.0.0.1:0", Dir: dir, Stderr: &log,
	}
	conformance.Test(t, relay, params(t))
}

func TestTheProgramOfARelayDiesWithIt(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	r.connected(t, stored(t))
	child, err := childOf(r.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.kill(); err != nil {
		t.Fatal(err)
	}
	await(t, "the program is gone", func() bool { return syscall.Kill(child, 0) != nil })
}

func TestARelayStartsItsProgramAgain(t *testing.T) {
	t.Parallel()
	r, config := newRelay(t), stored(t)
	client := r.connected(t, config)
	spec := aNetwork(t, client)
	if _, err := client.ApplyNetwork(t.Context(), 1, spec); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		before := r.session
		child, err := childOf(r.cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		await(t, "the session ends with the program", func() bool {
			select {
			case <-before.Done():
				return true
			default:
				return false
			}
		})
		r.session = nil
		client = r.connected(t, config)
		if r.session.Hello.ProcessID == before.Hello.ProcessID {
			t.Error("the new program has the old one's process id")
		}
		if n, err := client.GetNetwork(t.Context(), spec.ID); err != nil {
			t.Errorf("after the restart: %+v, %v", n, err)
		}
	}
}

func TestARelayPutsTheSettingsOfItsMachineBelow(t *testing.T) {
	t.Parallel()
	r := newRelay(t, "unknown_setting: 1", "step_delay_ms: wrong")
	cc, err := r.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = wire.NewClient(cc).Configure(t.Context(), 1, []byte(`{"step_delay_ms": 1}`), 0)
	fields := fault.Of(err).Fields
	if len(fields) != 1 || fields[0].Field != "/unknown_setting" {
		t.Errorf("refused: %v", err)
	}
}

func TestARelayNeedsAProgram(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"attach"}, {"join", "--core", "127.0.0.1:1"}, {"attach", "--", "/bin/true"}, {"attach", "--state-dir", t.TempDir(), "--", os.Args[0]}} {
		relay := RelayCommand()
		relay.SetArgs(args)
		relay.SetOut(io.Discard)
		relay.SetErr(io.Discard)
		if err := relay.ExecuteContext(t.Context()); err == nil {
			t.Errorf("%q succeeds", args)
		}
	}
}

func TestARelayDrainsItsProgram(t *testing.T) {
	t.Parallel()
	r, config := newRelay(t), stored(t)
	config["step_delay_ms"] = 1500
	client := r.connected(t, config)
	spec := aNetwork(t, client)
	if o, err := client.ApplyNetwork(t.Context(), 1, spec); err != nil || o.Phase != provider.PhaseProgressing {
		t.Fatalf("applied: %+v, %v", o, err)
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Errorf("the relay ended with %v", err)
	}
	r.cmd, r.session = nil, nil
	if n, err := r.connected(t, config).GetNetwork(t.Context(), spec.ID); err != nil || n.Phase != provider.PhaseReady {
		t.Errorf("work that ran was not finished: %+v, %v", n, err)
	}
}

func TestARelayCarriesImages(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	r.connected(t, stored(t))
	data, err := r.session.Data(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("rhyzome "), 4<<20) // 32 MiB
	sum := sha256.Sum256(content)
	ref := provider.ImageRef{SHA256: hex.EncodeToString(sum[:]), Format: provider.ImageRaw, SizeBytes: int64(len(content))}
	image, err := wire.NewClient(data).PutImage(t.Context(), ref, 0, bytes.NewReader(content))
	if err != nil || !image.Ready {
		t.Errorf("pushed: %+v, %v", image, err)
	}
}

// aNetwork is a spec that the provider accepts.
func aNetwork(t *testing.T, client *wire.Client) provider.NetworkSpec {
	t.Helper()
	routers, err := client.ListRouters(t.Context())
	if err != nil || len(routers) == 0 {
		t.Fatalf("%d routers, %v", len(routers), err)
	}
	return provider.NetworkSpec{
		Tag:     provider.Tag{ID: "0198c0de-0000-7000-8000-000000000001", Generation: 1, SpecDigest: "sha256:1"},
		Project: "demo", Name: "net", Handle: "abcdefgh", RouterID: routers[0].ID, Fabric: routers[0].Fabrics[0], SegmentID: 7,
		Domain: "net.demo.rhyzome.internal", Egress: provider.EgressNone, MTU: 1500,
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 1000 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s: not within 10 s", what)
}

// lockedBuffer may be read while a process writes to it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestARelayChecksItsProgram(t *testing.T) {
	t.Parallel()
	down := writeFile(t, "down", "")
	for config, want := range map[string]string{
		"step_delay_ms: 5":   "",
		"colour: red":        "/colour",
		"down_file: " + down: "backend: ",
	} {
		dir := t.TempDir()
		relay, out := RelayCommand(), new(bytes.Buffer)
		relay.SetArgs([]string{
			"check", "--state-dir", dir, "--config", writeFile(t, "provider.yaml", "config: {"+config+"}\n"), "--", os.Args[0],
		})
		relay.SilenceErrors, relay.SilenceUsage = true, true
		relay.SetOut(out)
		relay.SetErr(io.Discard)
		err := relay.ExecuteContext(t.Context())
		switch {
		case want == "" && (err != nil || !strings.Contains(out.String(), "program: memory 0.1.0\nconfiguration: ok\nbackend: ok\nidentity: none yet; run rhyzome relay join\n")):
			t.Errorf("%s: %q, %v", config, out, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v", config, err)
		}
	}
}
