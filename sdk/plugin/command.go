// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/handshake"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// program is what the commands share.
type program struct {
	provider    provider.Provider
	description provider.Description
	flags       settings // as given on the command line; empty for what was not
	configFile  string
	stdin       io.Reader
	stdout      io.Writer
	stderr      io.Writer
}

// run is the command line. It returns the exit status.
func run(ctx context.Context, p provider.Provider, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	g := &program{provider: p, description: p.Describe(), stdin: stdin, stdout: stdout, stderr: stderr}
	root := g.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		printError(stderr, err)
		return 1
	}
	return 0
}

func (g *program) root() *cobra.Command {
	name := g.description.Name
	root := &cobra.Command{
		Use:           "rhyzome-" + name,
		Short:         "The Rhyzome provider " + name,
		Long:          "The Rhyzome provider " + name + ". Started as a child of a core, it serves that; by hand:\n\n  1. join    with the token that `rhyzome provider token create` printed\n  2. check   the configuration\n  3. attach  to the core, and serve it; or listen, where only the core can connect",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	g.addFlags(root, name)
	root.AddCommand(g.joinCommand(), g.attachCommand(), g.listenCommand(), g.checkCommand(), g.schemaCommand(), g.versionCommand())
	return root
}

// addFlags adds the flags of all commands below c. name is the plugin's.
func (g *program) addFlags(c *cobra.Command, name string) {
	flags := c.PersistentFlags()
	flags.StringVar(&g.configFile, "config", "", "configuration file (RHYZOME_CONFIG; default "+defaultConfigFile+")")
	flags.StringVar(&g.flags.StateDir, "state-dir", "", "directory of the identity (RHYZOME_STATE_DIR; default "+defaultStateDir("", name)+")")
	flags.StringVar(&g.flags.MachineID, "machine-id", "", "stable id of this machine (RHYZOME_MACHINE_ID; default from /etc/machine-id)")
	flags.StringSliceVar(&g.flags.Core, "core", nil, "HOST:PORT of the core's attach port; of several cores, each (RHYZOME_CORE)")
	flags.StringVar(&g.flags.LogLevel, "log-level", "", "debug, info, warn or error (RHYZOME_LOG_LEVEL; default info)")
	flags.BoolVar(&g.flags.Debug, "debug", false, "suspend deadlines for a debugger, where the core is one to develop against (RHYZOME_DEBUG)")
}

func (g *program) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the configuration", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var out bytes.Buffer
			if len(g.description.ConfigSchema) == 0 {
				out.WriteString("{}")
			} else if err := json.Indent(&out, g.description.ConfigSchema, "", "  "); err != nil {
				return err
			}
			_, err := fmt.Fprintln(g.stdout, out.String())
			return err
		},
	}
}

func (g *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print versions", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(g.stdout, "%s %s (sdk %s, contract %d)\n",
				g.description.Name, g.description.Version, Version, handshake.ProtocolVersion)
			return err
		},
	}
}

// printError writes an error for people: each field that is wrong on a line of its own, and the way out.
func printError(w io.Writer, err error) {
	var f *fault.Error
	if !errors.As(err, &f) {
		fmt.Fprintln(w, "Error:", err)
		return
	}
	fmt.Fprintf(w, "Error: %s (%s)\n", err, f.Reason)
	if len(f.Fields) > 1 {
		for _, v := range f.Fields {
			fmt.Fprintf(w, "  %s: %s\n", v.Field, v.Description)
		}
	}
	for _, about := range fault.Reasons {
		if about.Reason == f.Reason {
			fmt.Fprintln(w, about.WayOut)
		}
	}
}
