// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// drainWithin is how long the output of a process that was killed is read on: what it started may hold it open for ever.
const drainWithin = 2 * time.Second

// group is a provider's process as go-plugin runs it (runner.Runner), that is killed with what it started.
type group struct {
	cmd            *exec.Cmd
	stdout, stderr io.ReadCloser
}

func newGroup(cmd *exec.Cmd) (*group, error) {
	confine(cmd)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, errors.Join(err, stdout.Close())
	}
	return &group{cmd: cmd, stdout: stdout, stderr: stderr}, nil
}

// Start implements runner.Runner.
func (g *group) Start(context.Context) error { return g.cmd.Start() }

// Wait implements runner.Runner.
func (g *group) Wait(context.Context) error { return g.cmd.Wait() }

// Kill implements runner.Runner: go-plugin waits for the end of the output, which is here after drainWithin.
func (g *group) Kill(context.Context) error {
	if g.cmd.Process == nil {
		return nil
	}
	time.AfterFunc(drainWithin, func() {
		_, _ = g.stdout.Close(), g.stderr.Close() // most are closed by now
	})
	return kill(g.cmd)
}

// Stdout implements runner.Runner.
func (g *group) Stdout() io.ReadCloser { return g.stdout }

// Stderr implements runner.Runner.
func (g *group) Stderr() io.ReadCloser { return g.stderr }

// Name implements runner.Runner.
func (g *group) Name() string { return g.cmd.Path }

// ID implements runner.Runner.
func (g *group) ID() string {
	if g.cmd.Process == nil {
		return ""
	}
	return strconv.Itoa(g.cmd.Process.Pid)
}

// Diagnose implements runner.Runner.
func (g *group) Diagnose(context.Context) string { return "" }

// PluginToHost implements runner.Runner.
func (g *group) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin implements runner.Runner.
func (g *group) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// kill kills a process and its group; one that has ended is no error, and what it left is killed all the same.
func kill(cmd *exec.Cmd) error {
	killGroup(cmd)
	if err := cmd.Process.Kill(); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}
