// SPDX-License-Identifier: Apache-2.0

//go:build linux

package process

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Where things lie: images by their digest, of instances ID.json and the directory ID.
const (
	imagesDir    = "images"
	instancesDir = "instances"
	recordSuffix = ".json"

	lockFile   = "lock"   // held by the supervisor
	stateFile  = "state"  // what the supervisor says
	outputFile = "output" // what the program says
	inputFile  = "input"  // a named pipe: what the program is told
	logFile    = "log"    // what goes wrong with the supervisor
	filesDir   = "files"  // the program's own
	seedDir    = "seed"
)

// record is what an instance should be. The provider alone writes it.
type record struct {
	Spec     provider.InstanceSpec
	Made     bool // the spec was carried out to its end
	Deleting bool
	Revision int // grows with whatever the supervisor is to do
	Reboot   reboot
	Restart  string
	Grace    time.Duration
	User     string
}

// reboot is what was asked for last.
type reboot struct {
	OperationID string
	Hard        bool
}

// runs reports whether there should be a process.
func (r *record) runs() bool { return !r.Deleting && r.Spec.Power == provider.PowerRunning }

// program is what has to be started anew when it changes.
func (r *record) program(directory string) program {
	return program{filepath.Join(directory, imagesDir, r.Spec.Image.SHA256), r.Spec.CommandLine, r.User}
}

type program struct{ path, commandLine, user string }

// state is what an instance is. Its supervisor alone writes it.
type state struct {
	Supervisor int    // its process id; that of the lock's holder, or the state is an old one
	Boot       string // of the machine, when it was written
	Revision   int    // of the record that is carried out
	Running    bool   // also between two runs of the program; and when a boot ended it
	PID        int    // of the program; 0 when it does not run
	Since      time.Time
	LastReboot string
	Failure    string // why the program of the revision could not be started
}

// home is where the files of one instance lie.
type home struct{ directory, id string }

func (h home) record() string { return filepath.Join(h.directory, instancesDir, h.id+recordSuffix) }

func (h home) path(name string) string {
	return filepath.Join(h.directory, instancesDir, h.id, name)
}

func (h home) readRecord() (record, error) {
	var r record
	return r, readJSON(h.record(), &r)
}

// readState returns nothing of an instance that never ran.
func (h home) readState() (state, error) {
	var s state
	err := readJSON(h.path(stateFile), &s)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return s, err
}

// supervisor returns the process id of the one that holds the lock; 0 for none.
func (h home) supervisor() (int, error) {
	file, err := os.Open(h.path(lockFile))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(file.Fd(), unix.F_GETLK, &lock); err != nil || lock.Type == unix.F_UNLCK {
		return 0, err
	}
	return int(lock.Pid), nil
}

// running returns the state of an instance that runs; ok is false of others. Who holds the lock is asked first: what a
// supervisor writes, it writes before it lets go.
func (h home) running() (s state, ok bool, err error) {
	supervisor, err := h.supervisor()
	if err != nil || supervisor == 0 {
		return s, false, err
	}
	s, err = h.readState()
	return s, s.Supervisor == supervisor && s.Running, err
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func writeJSON(path string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return replace(path, text)
}

// newSuffix is of a file that is not there yet.
const newSuffix = ".new"

// replace writes a file, whole or not at all, also if the machine fails.
func replace(path string, content []byte) error {
	file, err := os.OpenFile(path+newSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(path+newSuffix, path)
}

// homes of all instances.
func (p *Provider) homes() ([]home, error) {
	entries, err := os.ReadDir(p.path(instancesDir))
	var all []home
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), recordSuffix); ok {
			all = append(all, p.home(id))
		}
	}
	return all, err
}

func (p *Provider) home(id string) home { return home{p.path(""), id} }
