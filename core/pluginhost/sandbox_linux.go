// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"os/exec"
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
