// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/conformance"
)

// target is the provider that the flags name.
type target struct {
	plugin, attach, log string
	noAutoMTLS, debug   bool
}

func (t *target) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.plugin, "plugin", "", "the provider's program")
	cmd.Flags().StringVar(&t.attach, "attach", "", "HOST:PORT to listen at: the program joins and attaches there, instead of being a child")
	cmd.Flags().StringVar(&t.log, "log", "", "write what the provider says on stderr to this file")
	cmd.Flags().BoolVar(&t.debug, "debug", false, "suspend deadlines, and wait for a debugger at each start of the program")
	cmd.Flags().BoolVar(&t.noAutoMTLS, "no-auto-mtls", false, "speak to a child in the clear, on its unix socket")
}

// open makes the target of a run. close ends it, and the log.
func (t target) open(cmd *cobra.Command, runner *conformance.Runner, args []string, scratch string) (closeAll func() error, err error) {
	if t.plugin == "" {
		return nil, errors.New("say which program: run --plugin PROGRAM, and its arguments, if any, after --")
	}
	log, err := t.openLog()
	if err != nil {
		return nil, err
	}
	var debug func(int)
	if t.debug {
		runner.Debug, debug = true, waitForDebugger(cmd.InOrStdin(), cmd.OutOrStdout())
	}
	if t.attach == "" {
		runner.Target = &conformance.Child{Path: t.plugin, Args: args, Dir: scratch, Stderr: log, AutoMTLS: !t.noAutoMTLS, Debug: debug}
	} else {
		runner.Target = &conformance.Attached{Path: t.plugin, Args: args, Address: t.attach, Dir: scratch, Stderr: log, Debug: debug}
	}
	return func() error { return errors.Join(runner.Target.Close(), log.Close()) }, nil
}

// waitForDebugger lets somebody attach a debugger to each process, and set breakpoints. Where nobody can answer, it waits
// for nothing.
func waitForDebugger(in io.Reader, out io.Writer) func(pid int) {
	lines := bufio.NewScanner(in)
	return func(pid int) {
		fmt.Fprintf(out, "the provider is process %d: attach a debugger (dlv attach %d), then press Enter\n", pid, pid)
		lines.Scan()
	}
}

func (t target) openLog() (io.WriteCloser, error) {
	if t.log == "" {
		return os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	return os.OpenFile(t.log, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
}
