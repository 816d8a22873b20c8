// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Command prepares a program that runs inside the machine, in all of its namespaces, from "/" and with the machine's own
// environment. It is killed when ctx ends. The command's Dir has no effect; start `env -C` for that.
func (m *Machine) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	enter := []string{
		"--target", strconv.Itoa(m.PID), "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd", "--",
		"setpriv", "--pdeathsig", "KILL", "--", name,
	}
	cmd := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	cmd.Env = environment(nil)
	cmd.WaitDelay = time.Second // a child that it left behind may hold the pipes
	return cmd
}

// Run runs a program inside the machine and returns what it printed. The error holds the command and its output.
func (m *Machine) Run(ctx context.Context, name string, args ...string) (string, error) {
	var out, complaints bytes.Buffer
	cmd := m.Command(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %s %s: %w: %s", m.Name, name, strings.Join(args, " "), err,
			strings.TrimSpace(out.String()+complaints.String()))
	}
	return out.String(), nil
}
