// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// state is what the init writes to machine.json for other processes. It counts only while the init holds the lock.
type state struct {
	Name  string `json:"name"`
	PID   int    `json:"pid"`        // outside
	Start uint64 `json:"start_time"` // of the process, in clock ticks since boot
}

func lockPath(dir string) string  { return filepath.Join(dir, "lock") }
func statePath(dir string) string { return filepath.Join(dir, "machine.json") }

// Open returns the machine that runs in a directory, whoever started it, or ErrNotRunning.
func Open(ctx context.Context, dir string) (*Machine, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for {
		alive, err := locked(dir)
		if err != nil {
			return nil, err
		}
		if !alive {
			return nil, ErrNotRunning
		}
		if m, err := readState(dir); err == nil {
			return m, nil
		}
		// The init is starting: it took the lock with its first breath, and writes the state with its second.
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func readState(dir string) (*Machine, error) {
	text, err := os.ReadFile(statePath(dir))
	if err != nil {
		return nil, err
	}
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, err
	}
	if start, err := startTime(s.PID); err != nil || start != s.Start {
		return nil, ErrNotRunning
	}
	return &Machine{Name: s.Name, Dir: dir, PID: s.PID, start: s.Start}, nil
}

// writeState runs in the init, while /proc is still the outer one: there its outer pid can be seen.
func writeState(spec Spec) error {
	self, err := os.Readlink("/proc/self")
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(self)
	if err != nil {
		return err
	}
	start, err := startTime(pid)
	if err != nil {
		return err
	}
	text, err := json.Marshal(state{Name: spec.Name, PID: pid, Start: start})
	if err != nil {
		return err
	}
	tmp := statePath(spec.Dir) + ".new"
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, statePath(spec.Dir))
}

// lockForInit takes the directory for a new init, which inherits the lock and holds it while it lives. It answers
// ErrRunning if an init has it.
func lockForInit(ctx context.Context, dir string) (*os.File, error) {
	lock, err := os.OpenFile(lockPath(dir), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(time.Second) // one that only looks holds the lock for an instant
	for {
		err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return lock, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(deadline) {
			lock.Close()
			return nil, fmt.Errorf("%s: %w", dir, ErrRunning)
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			lock.Close()
			return nil, err
		}
	}
}

// locked reports whether an init holds the lock of the directory.
func locked(dir string) (bool, error) {
	lock, err := os.OpenFile(lockPath(dir), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer lock.Close()
	err = unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// startTime reads field 22 of /proc/PID/stat; the second field, in parentheses, may hold anything.
func startTime(pid int) (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
