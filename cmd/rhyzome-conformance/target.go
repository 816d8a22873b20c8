// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/conformance"
)

// target is the provider that the flags name.
type target struct {
	plugin, attach, log string
	noAutoMTLS          bool
}

func (t *target) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.plugin, "plugin", "", "the provider's program")
	cmd.Flags().StringVar(&t.attach, "attach", "", "HOST:PORT to listen at: the program joins and attaches there, instead of being a child")
	cmd.Flags().StringVar(&t.log, "log", "", "write what the provider says on stderr to this file")
	cmd.Flags().BoolVar(&t.noAutoMTLS, "no-auto-mtls", false, "speak to a child in the clear, on its unix socket")
}

// open makes the target of a run. close ends it, and the log.
func (t target) open(runner *conformance.Runner, args []string, scratch string) (closeAll func() error, err error) {
	if t.plugin == "" {
		return nil, errors.New("say which program: run --plugin PROGRAM, and its arguments, if any, after --")
	}
	log, err := t.openLog()
	if err != nil {
		return nil, err
	}
	if t.attach == "" {
		runner.Target = &conformance.Child{Path: t.plugin, Args: args, Stderr: log, AutoMTLS: !t.noAutoMTLS}
	} else {
		runner.Target = &conformance.Attached{Path: t.plugin, Args: args, Address: t.attach, Dir: scratch, Stderr: log}
	}
	return func() error { return errors.Join(runner.Target.Close(), log.Close()) }, nil
}

func (t target) openLog() (io.WriteCloser, error) {
	if t.log == "" {
		return os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	return os.OpenFile(t.log, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
}
