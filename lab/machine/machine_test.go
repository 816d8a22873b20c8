// SPDX-License-Identifier: Apache-2.0

package machine_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/lab/machine"
)

// helperDir, in the environment, makes the test program start a machine there and wait to be killed.
const helperDir = "MACHINE_TEST_HELPER_DIR"

func TestMain(m *testing.M) {
	machine.Init()
	if dir := os.Getenv(helperDir); dir != "" {
		fmt.Println(helper(dir))
		select {}
	}
	os.Exit(m.Run())
}

func helper(dir string) string {
	m, err := machine.Start(context.Background(), machine.Spec{Name: "orphan", Dir: dir})
	if err != nil {
		return err.Error()
	}
	out, err := m.Run(context.Background(), "sh", "-c", "test -c /dev/pts/ptmx && hostname")
	if err != nil {
		return err.Error()
	}
	return "started " + strings.TrimSpace(out)
}

func start(t *testing.T, spec machine.Spec) *machine.Machine {
	t.Helper()
	if spec.Dir == "" {
		spec.Dir = filepath.Join(t.TempDir(), "m")
	}
	m, err := machine.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := machine.Remove(context.Background(), m.Dir); err != nil {
			t.Error(err)
		}
	})
	return m
}

func run(t *testing.T, m *machine.Machine, name string, args ...string) string {
	t.Helper()
	out, err := m.Run(t.Context(), name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// eventually waits for a condition that depends on other processes.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func TestMachineIsOnItsOwn(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	m := start(t, machine.Spec{
		Name:    "one",
		Binds:   []machine.Bind{{Source: data, Target: "/var/lib/thing"}},
		Files:   map[string]string{"/etc/resolv.conf": "nameserver 198.18.0.1\n", "/etc/config/network": "x\n"},
		Sysctls: map[string]string{"net.ipv4.ip_forward": "1"},
	})
	for _, c := range []struct{ want, name, arg string }{
		{"one", "hostname", ""},
		{"1", "sh", "cat /proc/sys/net/ipv4/ip_forward"},
		{"nameserver 198.18.0.1", "sh", "cat /etc/resolv.conf"},
		{"x", "sh", "cat /etc/config/network"},
		{"lo", "sh", "ls /sys/class/net | grep -v ^ifb"},
		{"/", "sh", "pwd"},
		{"1", "sh", "ls /proc | grep -cx 1"},
		{"32", "sh", "tr -d '\n' < /etc/machine-id | wc -c"},
		{"0", "sh", "touch /usr/bin/made-inside /etc/made-inside /var/lib/thing/kept /run/made-inside; echo $?"},
	} {
		args := []string{"-c", c.arg}
		if c.name != "sh" {
			args = nil
		}
		if got := run(t, m, c.name, args...); got != c.want {
			t.Errorf("%s %s = %q, want %q", c.name, c.arg, got, c.want)
		}
	}
	for _, path := range []string{"/usr/bin/made-inside", "/etc/made-inside", "/run/made-inside", "/etc/config/network"} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s was made on the real machine", path)
		}
	}
	if _, err := os.Stat(filepath.Join(data, "kept")); err != nil {
		t.Errorf("what was written to a bind is not there: %v", err)
	}
	if got := run(t, m, "pgrep", "-o", "."); got != "1" {
		t.Errorf("the oldest process is %s, want the init", got)
	}
}

func TestInitReapsAndSupervises(t *testing.T) {
	m := start(t, machine.Spec{Name: "reaper"})
	// The child of a shell that is gone becomes the init's; a zombie would stay in /proc.
	run(t, m, "sh", "-c", "(sh -c 'exit 3' & ) ; true")
	eventually(t, "no zombies", func() bool { return run(t, m, "sh", "-c", "grep -l '^State:.Z' /proc/[0-9]*/status | wc -l") == "0" })

	ctx := t.Context()
	if err := m.StartService(ctx, machine.Service{Name: "s", Args: []string{"sh", "-c", "echo up; exec sleep 1000"}, Respawn: true}); err != nil {
		t.Fatal(err)
	}
	logged := func(want string) func() bool {
		return func() bool {
			log, err := os.ReadFile(filepath.Join(m.Dir, "log", "s.log"))
			return err == nil && string(log) == want
		}
	}
	eventually(t, "the first start is in the log", logged("up\n"))
	first, err := m.Service(ctx, "s")
	if err != nil || first.PID == 0 {
		t.Fatalf("service = %+v, %v", first, err)
	}
	if err := m.StartService(ctx, machine.Service{Name: "s", Args: []string{"true"}}); err == nil {
		t.Error("a second service with the same name started")
	}
	if err := m.SignalService(ctx, "s", unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "started again", func() bool {
		s, err := m.Service(ctx, "s")
		return err == nil && s.PID != 0 && s.PID != first.PID && s.Exits == 1 && s.LastExit == "SIGKILL"
	})
	eventually(t, "the second start is in the log", logged("up\nup\n"))
	if err := m.StopService(ctx, "s"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Service(ctx, "s"); err == nil {
		t.Error("a stopped service is still listed")
	}
	if err := m.StartService(ctx, machine.Service{Name: "bad", Args: []string{"/no/such/program"}}); err == nil {
		t.Error("a program that does not exist started")
	}
}

func TestServiceGetsSocketOfTheRootNamespace(t *testing.T) {
	m := start(t, machine.Spec{Name: "socket"})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	// The program accepts on descriptor 3, says who it is, and ends; it is started again with the same socket.
	script := `import os,socket; s=socket.socket(fileno=3); c,_=s.accept(); ` +
		`c.send(("%s %s" % (socket.gethostname(), os.environ["LISTEN_PID"]==str(os.getpid()))).encode())`
	err = m.StartService(t.Context(), machine.Service{Name: "s", Args: []string{"/usr/bin/python3", "-c", script}, Respawn: true}, file)
	file.Close()
	l.Close()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		text, _ := bufio.NewReader(conn).ReadString(0)
		conn.Close()
		if text != "socket True" {
			t.Errorf("answer = %q", text)
		}
	}
}

func TestMachineSurvivesItsStarter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("a-long-name/", 12)) // longer than a socket's address may be
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), helperDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "started orphan\n" {
		t.Fatalf("helper says %q", line)
	}
	cmd.Process.Kill()
	cmd.Wait()

	m, err := machine.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, m, "hostname"); got != "orphan" {
		t.Errorf("hostname = %s", got)
	}
	if _, err := machine.Start(t.Context(), machine.Spec{Name: "second", Dir: dir}); !errors.Is(err, machine.ErrRunning) {
		t.Errorf("a second start in one directory: %v", err)
	}
	if err := m.StartService(t.Context(), machine.Service{Name: "s", Args: []string{"sleep", "1000"}}); err != nil {
		t.Fatal(err)
	}
	mounts := func() string {
		text, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if strings.Contains(mounts(), dir) {
		t.Error("the machine's mounts are seen from outside")
	}
	if err := machine.Remove(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
	if _, err := machine.Open(t.Context(), dir); !errors.Is(err, machine.ErrNotRunning) {
		t.Errorf("Open after Remove: %v", err)
	}
	if err := m.Stop(t.Context()); !errors.Is(err, machine.ErrNotRunning) {
		t.Errorf("Stop after Remove: %v", err)
	}
}

// A chroot is where `make test-fresh` runs: its root is no mount, its /dev lacks what is mounted on it.
func TestMachineInAChroot(t *testing.T) {
	root := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := `cd "$1"; mkdir usr etc proc dev sys run tmp var m; for d in bin sbin lib lib64; do ln -s usr/$d $d; done
		cp "$2" program; mount --bind /usr usr; mount --bind /dev dev; mount --bind /sys sys; mount -t proc proc proc
		export ` + helperDir + `=/m; exec chroot . /program`
	cmd := exec.Command("unshare", "--mount", "--propagation", "slave", "sh", "-euc", script, "sh", root, self)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	cmd.Process.Kill()
	cmd.Wait()
	if line != "started orphan\n" {
		t.Errorf("helper says %q", line)
	}
	if err := machine.Remove(t.Context(), filepath.Join(root, "m")); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(text), root) {
		t.Errorf("mounts are left: %v", err)
	}
}

func TestStartReportsWhatIsWrong(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	_, err := machine.Start(t.Context(), machine.Spec{Name: "bad", Dir: dir, Sysctls: map[string]string{"net.no.such": "1"}})
	if err == nil || !strings.Contains(err.Error(), "net/no/such") {
		t.Errorf("error = %v", err)
	}
	if _, err := machine.Open(t.Context(), dir); !errors.Is(err, machine.ErrNotRunning) {
		t.Errorf("Open after a failed start: %v", err)
	}
}

func TestCommandDiesWithItsContext(t *testing.T) {
	m := start(t, machine.Spec{Name: "killer"})
	ctx, cancel := context.WithCancel(t.Context())
	cmd := m.Command(ctx, "sleep", "12345")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	sleeping := func() bool { return exec.Command("pgrep", "-f", "^sleep 12345$").Run() == nil }
	eventually(t, "sleep runs", sleeping)
	cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("no error after the context ended")
	}
	eventually(t, "sleep is gone", func() bool { return !sleeping() })
}

func TestLink(t *testing.T) {
	a, b := start(t, machine.Spec{Name: "a"}), start(t, machine.Spec{Name: "b"})
	if err := machine.Link(machine.End{Machine: a, Interface: "eth0"}, machine.End{Machine: b, Interface: "eth7"}); err != nil {
		t.Fatal(err)
	}
	for m, addresses := range map[*machine.Machine][]string{a: {"198.18.9.1/24", "fd00:7268:9::1/64"}, b: {"198.18.9.2/24", "fd00:7268:9::2/64"}} {
		name := map[*machine.Machine]string{a: "eth0", b: "eth7"}[m]
		for _, p := range addresses {
			if err := m.Address(name, netip.MustParsePrefix(p)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := a.Route(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("198.18.9.2")); err != nil {
		t.Fatal(err)
	}
	run(t, a, "ping", "-c1", "-W2", "198.18.9.2")
	run(t, a, "ping", "-c1", "-W2", "fd00:7268:9::2")
	if err := b.Down("eth7"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Run(t.Context(), "ping", "-c1", "-W1", "198.18.9.2"); err == nil {
		t.Error("a pulled cable carries packets")
	}
}
