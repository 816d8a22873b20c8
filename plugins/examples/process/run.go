// SPDX-License-Identifier: Apache-2.0

//go:build linux

package process

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// searchPath is where programs find others.
const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// marker is the variable that all processes of an instance have, unless they drop it.
func marker(id string) string { return "RHYZOME_INSTANCE_ID=" + id }

// run is one life of a program.
type run struct {
	pid    int
	ended  chan syscall.WaitStatus // of the program itself
	alone  chan struct{}           // closed when nothing is left of all that it started
	output *output
}

// start starts the program of a record.
func (h home) start(r *record) (*run, error) {
	program := r.program(h.directory)
	attributes := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if program.user != "" {
		var err error
		if attributes.Credential, err = credential(program.user); err != nil {
			return nil, err
		}
	}
	env, err := h.furnish(r, attributes.Credential)
	if err != nil {
		return nil, err
	}
	// It is opened for writing too, so that the program sees no end.
	input, err := os.OpenFile(h.path(inputFile), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer input.Close()
	output, said, err := newOutput(h.path(outputFile))
	if err != nil {
		return nil, err
	}
	defer said.Close()
	args := append([]string{program.path}, strings.Fields(program.commandLine)...)
	process, err := startProcess(program.path, args, &os.ProcAttr{
		Dir: h.path(filesDir), Env: env, Files: []*os.File{input, said, said}, Sys: attributes,
	})
	if err != nil {
		return nil, errors.Join(err, said.Close(), output.wait())
	}
	return reaped(process.Pid, output), process.Release()
}

// busyFor is how long a program may be open for writing in a process that is just being made, and has inherited it.
const busyFor = 5 * time.Second

func startProcess(path string, args []string, attributes *os.ProcAttr) (*os.Process, error) {
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		process, err := os.StartProcess(path, args, attributes)
		if !errors.Is(err, syscall.ETXTBSY) || time.Since(begin) > busyFor {
			return process, err
		}
	}
}

// furnish makes the files that a program needs, and returns its environment.
func (h home) furnish(r *record, owner *syscall.Credential) ([]string, error) {
	if err := unix.Mkfifo(h.path(inputFile), 0o600); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	env := []string{
		searchPath, "HOME=" + h.path(filesDir), marker(h.id), "RHYZOME_INSTANCE_NAME=" + r.Spec.Name,
		"RHYZOME_PROJECT=" + r.Spec.Project, "RHYZOME_COMMAND_LINE=" + r.Spec.CommandLine,
	}
	wrong := []error{own(h.path(filesDir), 0o700, owner)}
	if seed := r.Spec.CloudInit; seed != nil {
		env = append(env, "RHYZOME_SEED="+h.path(seedDir))
		wrong = append(wrong, own(h.path(seedDir), 0o700, owner))
		for name, text := range map[string]string{"user-data": seed.UserData, "meta-data": seed.MetaData, "network-config": seed.NetworkConfig} {
			path := filepath.Join(h.path(seedDir), name)
			wrong = append(wrong, replace(path, []byte(text)), give(path, owner))
		}
	}
	return env, errors.Join(wrong...)
}

// own makes a directory for the program.
func own(path string, mode os.FileMode, owner *syscall.Credential) error {
	return errors.Join(os.MkdirAll(path, mode), give(path, owner))
}

func give(path string, owner *syscall.Credential) error {
	if owner == nil {
		return nil
	}
	return os.Lchown(path, int(owner.Uid), int(owner.Gid))
}

// reaped waits for a program and for all that it leaves behind, which falls to this process.
func reaped(pid int, o *output) *run {
	r := &run{pid: pid, ended: make(chan syscall.WaitStatus, 1), alone: make(chan struct{}), output: o}
	go func() {
		defer close(r.alone)
		for {
			var status syscall.WaitStatus
			switch child, err := syscall.Wait4(-1, &status, 0, nil); {
			case errors.Is(err, syscall.EINTR):
			case err != nil:
				return // there is nobody left
			case child == pid:
				r.ended <- status
			}
		}
	}()
	return r
}

// end ends all that is left: whoever loses its parent falls to this process, and is ended next.
func (r *run) end() error {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for {
		for _, pid := range children(os.Getpid()) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
		select {
		case <-r.alone:
			return r.output.wait()
		case <-ticker.C:
		}
	}
}
