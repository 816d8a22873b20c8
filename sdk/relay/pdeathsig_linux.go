// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel kill the program when the relay is killed.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
