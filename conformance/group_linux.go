// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"os/exec"
	"syscall"
)

// confine makes the kernel kill the program when the suite is killed, and gives it a process group of its own.
func confine(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// killGroup kills a program that was started, and what it left in its process group.
func killGroup(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // none may be left
}
