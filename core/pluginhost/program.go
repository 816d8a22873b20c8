// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-plugin/runner"
)

// drainWithin is how long what an ended process has written may take to be read.
const drainWithin = 2 * time.Second

// program runs a plugin for go-plugin. Its end is that of the process itself: go-plugin's own runner waits for the end of
// the output, which whatever the process started may hold open for ever.
type program struct {
	cmd            *exec.Cmd
	stdout, stderr *os.File
	started        atomic.Bool
	ended          chan struct{} // closed when the process was waited for
	err            error         // of the process; read after ended
	late           *time.Timer   // cuts the output off; set before ended
}

var _ runner.Runner = (*program)(nil)

func newProgram(cmd *exec.Cmd) *program { return &program{cmd: cmd, ended: make(chan struct{})} }

// Start implements runner.Runner.
func (p *program) Start(context.Context) error {
	stdout, intoStdout, err := os.Pipe()
	if err != nil {
		return err
	}
	defer intoStdout.Close()
	stderr, intoStderr, err := os.Pipe()
	if err != nil {
		return errors.Join(err, stdout.Close())
	}
	defer intoStderr.Close()
	p.stdout, p.stderr, p.cmd.Stdout, p.cmd.Stderr = stdout, stderr, intoStdout, intoStderr
	if err := p.cmd.Start(); err != nil {
		p.cut()
		return err
	}
	p.started.Store(true)
	go p.await()
	return nil
}

// await waits for the end of the process, and ends what it left: its process group, and whatever holds its output. What
// made itself independent of both goes on, as instances may have to outlive their provider.
func (p *program) await() {
	p.err = p.cmd.Wait()
	killGroup(p.cmd)
	killWriters(p.stdout, p.stderr)
	p.late = time.AfterFunc(drainWithin, p.cut)
	close(p.ended)
}

// cut ends the output.
func (p *program) cut() {
	_ = p.stdout.Close()
	_ = p.stderr.Close()
}

// Wait implements runner.Runner. The output was read when it is called.
func (p *program) Wait(context.Context) error {
	<-p.ended
	p.late.Stop()
	p.cut()
	return p.err
}

// Kill implements runner.Runner.
func (p *program) Kill(context.Context) error {
	if err := p.cmd.Process.Kill(); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// ID implements runner.Runner; empty before the start, when there is nothing to wait for.
func (p *program) ID() string {
	if !p.started.Load() {
		return ""
	}
	return strconv.Itoa(p.cmd.Process.Pid)
}

// Name implements runner.Runner.
func (p *program) Name() string { return p.cmd.Path }

// Stdout implements runner.Runner.
func (p *program) Stdout() io.ReadCloser { return p.stdout }

// Stderr implements runner.Runner.
func (p *program) Stderr() io.ReadCloser { return p.stderr }

// Diagnose implements runner.Runner: the last words tell more than a guess.
func (p *program) Diagnose(context.Context) string { return "" }

// PluginToHost implements runner.Runner: both see the same sockets.
func (p *program) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin implements runner.Runner.
func (p *program) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
