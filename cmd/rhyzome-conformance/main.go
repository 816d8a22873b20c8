// SPDX-License-Identifier: Apache-2.0

// Command rhyzome-conformance judges a provider's program: whether it keeps the contract with the core.
//
// It exits with 0 if nothing failed but what is known to, 1 if something did, 2 if the provider could not be judged, and 3
// if nothing failed but the run left something behind.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitNotConformant = 1
	exitNotJudged     = 2
	exitLeftover      = 3
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	var verdict exitCode
	switch {
	case errors.As(err, &verdict):
		os.Exit(int(verdict))
	case err != nil:
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(exitNotJudged)
	}
}

// exitCode is a verdict that has been printed already.
type exitCode int

// Error implements error.
func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "rhyzome-conformance",
		Short: "Tell whether a provider keeps the contract",
		Long: `Tell whether a provider keeps the contract with the core.

Exit codes: 0 nothing failed but what is known to, 1 something failed, 2 the provider could not be judged, 3 nothing
failed, but the run left something behind.`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(runCommand(), listCommand(), explainCommand(), verifyCommand(), schemaCommand(), probeCommand())
	return root
}
