// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// confine makes the kernel kill the child when the core is killed, gives it a process group of its own, and the user
// and group uid without any other group; the core's own user if uid is 0.
func confine(cmd *exec.Cmd, uid int) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if uid != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
	}
}

// killGroup kills what the child left in its process group.
func killGroup(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // none may be left
	}
}

// killWriters kills every other process that can write to one of the pipes.
func killWriters(pipes ...*os.File) {
	var names []string
	for _, p := range pipes {
		if info, err := p.Stat(); err == nil {
			names = append(names, fmt.Sprintf("pipe:[%d]", info.Sys().(*syscall.Stat_t).Ino))
		}
	}
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range processes {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() {
			continue
		}
		process, err := os.FindProcess(pid) // before it is looked at, so that the signal never meets another
		if err != nil {
			continue
		}
		if writes(dir, names) {
			_ = process.Kill() // it may have ended meanwhile
		}
		_ = process.Release()
	}
}

// writes reports whether a process has one of the files open to write to it.
func writes(process string, names []string) bool {
	open, _ := filepath.Glob(process + "/fd/*") // none of a process that has ended
	return slices.ContainsFunc(open, func(fd string) bool {
		name, err := os.Readlink(fd)
		if err != nil || !slices.Contains(names, name) {
			return false
		}
		info, err := os.Lstat(fd)
		return err == nil && info.Mode().Perm()&0o200 != 0
	})
}
