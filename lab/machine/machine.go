// SPDX-License-Identifier: Apache-2.0

// Package machine makes machines of the lab: processes with mount, network, pid, uts and ipc namespaces of their own,
// under an init that reaps and supervises. A machine sees the programs of the real one, but what it writes outside its
// directory and its binds goes to memory and ends with it. Nothing is made in the root namespaces, so that killing the
// init removes everything: processes, interfaces, mounts.
//
// A machine belongs to its directory, not to the process that started it: it survives that process, and any other can
// Open, use and Stop it. Programs that start machines call Init first thing in main (or TestMain).
package machine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNotRunning says that no machine runs in the directory.
var ErrNotRunning = errors.New("the machine is not running")

// ErrRunning says that a machine runs in the directory already.
var ErrRunning = errors.New("the machine runs already")

// Spec describes a machine.
type Spec struct {
	Name      string            // host name
	Dir       string            // its state, control socket and logs; made if missing; also visible inside, at the same path
	MachineID string            // 32 hex digits for /etc/machine-id; derived from Dir if empty
	Binds     []Bind            // mounted in this order
	Files     map[string]string // path inside -> content, written at every start; scripts (#!) are executable
	Sysctls   map[string]string // "net.ipv4.ip_forward" -> "1"; only those of a namespace (net, kernel.hostname) make sense
}

// Bind shows a directory or file of the real machine inside. A Source that is missing is made, as a directory.
type Bind struct {
	Source string
	Target string
}

// Machine is a handle on a running machine.
type Machine struct {
	Name string
	Dir  string
	PID  int // of its init, as seen from outside

	start uint64 // of the init, in clock ticks since boot: a pid alone may be somebody else's by now
}

// Start makes a machine and returns when it is ready for services. It answers ErrRunning if one runs in spec.Dir.
func Start(ctx context.Context, spec Spec) (*Machine, error) {
	dir, err := filepath.Abs(spec.Dir)
	if err != nil {
		return nil, err
	}
	spec.Dir = dir
	if spec.MachineID == "" {
		sum := sha256.Sum256([]byte(dir))
		spec.MachineID = hex.EncodeToString(sum[:16])
	}
	if err := makeDirs(spec); err != nil {
		return nil, err
	}
	lock, err := lockForInit(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if err := launch(ctx, spec, lock); err != nil {
		return nil, fmt.Errorf("machine %s: %w", spec.Name, err)
	}
	return Open(ctx, dir)
}

func makeDirs(spec Spec) error {
	dirs := []string{filepath.Join(spec.Dir, "log"), filepath.Join(spec.Dir, "root")}
	for _, b := range spec.Binds {
		if _, err := os.Stat(b.Source); errors.Is(err, os.ErrNotExist) {
			dirs = append(dirs, b.Source)
		}
	}
	if err := os.MkdirAll(spec.Dir, 0o700); err != nil {
		return err
	}
	for _, d := range dirs {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// launch re-executes this program as the init of new namespaces, and waits until it reports that it is ready, or why not.
func launch(ctx context.Context, spec Spec, lock *os.File) error {
	text, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	report, reportW, err := os.Pipe()
	if err != nil {
		return err
	}
	defer report.Close()
	defer reportW.Close()
	log, err := os.OpenFile(filepath.Join(spec.Dir, "log", "init.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()

	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), self, initArgs...) // it outlives the caller
	cmd.Stdin = strings.NewReader(string(text))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{lock, reportW}
	cmd.Env = environment(nil)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // reaps the init, should it end before this process
	reportW.Close()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() }) // it may have ended
	defer stop()
	answer, err := io.ReadAll(report)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	case string(answer) != ready:
		return fmt.Errorf("init: %s (see %s)", strings.TrimSpace(string(answer)), log.Name())
	}
	return nil
}

// Stop ends the machine with everything in it, at once, and returns when all of its processes are gone. Its directory
// stays. It answers ErrNotRunning if it was gone already.
func (m *Machine) Stop(ctx context.Context) error {
	fd, err := unix.PidfdOpen(m.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return ErrNotRunning
	}
	if err != nil {
		return err
	}
	defer closeAll([]int{fd})
	if start, err := startTime(m.PID); err != nil || start != m.start {
		return ErrNotRunning
	}
	if ended, err := ended(fd, 0); err != nil {
		return err
	} else if ended {
		return ErrNotRunning
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return waitExit(ctx, fd)
}

// waitExit returns when the process of a pidfd has ended; of an init, when its whole pid namespace has.
func waitExit(ctx context.Context, fd int) error {
	for ctx.Err() == nil {
		if ended, err := ended(fd, 100*time.Millisecond); err != nil || ended {
			return err
		}
	}
	return ctx.Err()
}

// ended reports whether the process of a pidfd ends within a time. One that nobody reaped yet has ended.
func ended(fd int, within time.Duration) (bool, error) {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(within.Milliseconds()))
	if errors.Is(err, unix.EINTR) {
		err = nil
	}
	return n > 0, err
}

// Remove stops the machine of a directory, if one runs, and removes the directory.
func Remove(ctx context.Context, dir string) error {
	m, err := Open(ctx, dir)
	if err == nil {
		err = m.Stop(ctx)
	}
	if err != nil && !errors.Is(err, ErrNotRunning) {
		return err
	}
	return os.RemoveAll(dir)
}

// Path returns where a path inside the machine is found from outside. Absolute symbolic links on the way lead astray.
func (m *Machine) Path(inside string) string {
	return fmt.Sprintf("/proc/%d/root%s", m.PID, inside)
}
