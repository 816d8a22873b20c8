// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"syscall"
	"time"
)

// How long OpenWrt's own programs may take. dnsmasq's init script works for seconds on a router with many networks.
const (
	ubusTimeout     = 15 * time.Second
	firewallTimeout = 60 * time.Second
	dnsmasqTimeout  = 180 * time.Second
)

// runner runs one of OpenWrt's programs and returns what it printed on its standard output.
type runner interface {
	Run(ctx context.Context, timeout time.Duration, program string, args ...string) ([]byte, error)
}

// commands runs real programs, never through a shell.
type commands struct{}

func (commands) Run(ctx context.Context, timeout time.Duration, program string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that a script's children end with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // a daemon that a script started may keep the pipes
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success() {
		err = nil
	}
	if err != nil {
		return nil, commandFault(ctx, cmd, stderr.String(), err)
	}
	return stdout.Bytes(), nil
}
