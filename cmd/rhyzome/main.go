// SPDX-License-Identifier: Apache-2.0

// Command rhyzome runs a core, and is its command line.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/cmd/rhyzome/cli"
	"github.com/rhyzome/rhyzome/lab/machine"
	"github.com/rhyzome/rhyzome/lab/openwrt"
	"github.com/rhyzome/rhyzome/sdk/plugin"
)

// version is set by the linker.
var version = "dev"

func main() {
	// The inits of the lab's machines, and the programs of its router, are this binary too.
	machine.Init()
	openwrt.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, newRootCommand())
	stop()
	os.Exit(code)
}

// newRootCommand returns the client commands, and those that do something here.
func newRootCommand() *cobra.Command {
	root := cli.NewRootCommand(version)
	root.AddCommand(newServerCommand(), newLabCommand(), plugin.RelayCommand())
	for _, c := range root.Commands() {
		if c.Name() == "ca" {
			c.AddCommand(newRootCACommand(), newSignCommand())
		}
	}
	countArguments(root)
	return root
}

// countArguments lets wrong arguments of a command, and of those below it, end as any wrong call does.
func countArguments(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error { return cli.CalledWrongly(check(cmd, args)) }
	}
	for _, below := range c.Commands() {
		countArguments(below)
	}
}
