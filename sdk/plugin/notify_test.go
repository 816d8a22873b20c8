// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestSystemdIsTold starts a provider as a unit of Type=notify does.
func TestSystemdIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	socket := filepath.Join(dir, "notify")
	heard, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer heard.Close()
	newAuthority(t).enrolled(dir, "127.0.0.1:1") // nobody listens there: ready all the same
	cmd := exec.Command(os.Args[0], "attach", "--state-dir", dir)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	expect := func(want string) {
		t.Helper()
		if err := heard.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		message := make([]byte, 100)
		n, err := heard.Read(message)
		if err != nil || string(message[:n]) != want {
			t.Fatalf("heard %q, %v; want %q", message[:n], err, want)
		}
	}
	expect("READY=1")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	expect("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestNobodyToTell(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nothing"))
	notify(notifyReady, slog.New(slog.DiscardHandler)) // only warns
}
