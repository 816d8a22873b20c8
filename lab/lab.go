// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/lab/machine"
	"github.com/rhyzome/rhyzome/sdk/client"
)

// Lab is the lab of one directory. It holds no state of its own that the directory does not.
type Lab struct {
	Dir      string
	Bin      string // where the binaries lie
	Progress *Progress

	out    io.Writer
	record Record
	api    *client.Client
	kvm    bool // guests run by it; found out by Up
}

// New returns the lab in a directory, which need not exist.
func New(dir, bin string, out io.Writer) (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("the lab makes namespaces and network interfaces: run it as root")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	record, err := readRecord(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, recordFile), err)
	}
	return &Lab{Dir: dir, Bin: bin, Progress: NewProgress(out), out: out, record: record}, nil
}

// Machine returns one of the lab's machines, or machine.ErrNotRunning.
func (l *Lab) Machine(ctx context.Context, name string) (*machine.Machine, error) {
	m, err := machine.Open(ctx, l.dir(name))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

// API returns a client of the lab's core, as its operator.
func (l *Lab) API(ctx context.Context) (*client.Client, error) {
	if err := l.connect(ctx); err != nil {
		return nil, err
	}
	return l.api, nil
}

// URL is where the lab's REST API is; empty before the core was started.
func (l *Lab) URL() string { return l.record.URL }

// dir is where a machine's directory is.
func (l *Lab) dir(machine string) string { return filepath.Join(l.Dir, machine) }

func (l *Lab) bin(name string) string { return filepath.Join(l.Bin, name) }

// spec describes a machine of the lab. It sees the binaries where they lie, wherever that is: also in a /tmp.
func (l *Lab) spec(name string) machine.Spec {
	return machine.Spec{Name: name, Dir: l.dir(name), Binds: []machine.Bind{{Source: l.Bin, Target: l.Bin}}}
}

// errLocked says that another process makes or removes the lab now.
var errLocked = errors.New("another `rhyzome lab` works on it; wait for it, or end it")

// lock keeps two processes from making or removing the lab at once. It ends with the process. A directory that holds
// something else is refused, since everything in a lab's is removed.
func (l *Lab) lock() (release func(), err error) {
	if err := os.MkdirAll(l.Dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(l.Dir)
	if err != nil {
		return nil, err
	}
	if len(entries) > 0 && !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == lockFile }) {
		return nil, fmt.Errorf("%s is not empty, and no lab's directory; choose another with --dir", l.Dir)
	}
	f, err := os.OpenFile(filepath.Join(l.Dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", l.Dir, errLocked)
	}
	return func() { f.Close() }, nil
}
