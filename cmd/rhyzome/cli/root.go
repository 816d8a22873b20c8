// SPDX-License-Identifier: Apache-2.0

// Package cli is the client side of the command rhyzome, written on sdk/client alone: everything that it can do, any
// program can. What was asked for goes to stdout, what happens on the way to stderr, and colour only to terminals.
package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// app is what the commands share.
type app struct {
	flags settings // what the flags say
	named string   // --context
	form  string   // --output
	quiet bool
}

// The chapters of the help.
const (
	groupCloud    = "cloud"
	groupOperator = "operator"
	groupClient   = "client"
)

// NewRootCommand returns the command rhyzome with everything that speaks to a core.
func NewRootCommand(version string) *cobra.Command {
	a := &app{}
	root := &cobra.Command{
		Use:   "rhyzome",
		Short: "A cloud of your own machines",
		Long: `Rhyzome turns machines that you already have into a cloud of your own: instances on hypervisors, networks on
routers, and a WireGuard door into each network.

Say once where your core is, and then use it:

  rhyzome context set home --url https://core.example:8443 --token-file operator.token --ca-file ca.pem
  rhyzome project create alice`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          member,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(forms, a.form) {
				return usage("--output %s is not known; use one of %s", a.form, strings.Join(forms, ", "))
			}
			return missing(cmd)
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%s; see: %s --help", err.Error(), cmd.CommandPath())
	})
	a.addFlags(root)
	root.AddGroup(
		&cobra.Group{ID: groupCloud, Title: "Your cloud:"},
		&cobra.Group{ID: groupOperator, Title: "For operators:"},
		&cobra.Group{ID: groupClient, Title: "About this command:"},
	)
	add(root, groupCloud, a.projectCommand(), a.networkCommand(), a.peerCommand(), a.instanceCommand(), a.imageCommand(),
		a.operationCommand(), a.eventCommand())
	add(root, groupOperator, a.providerCommand(), a.hostCommand(), a.routerCommand(), a.fabricCommand(), a.caCommand())
	add(root, groupClient, a.contextCommand(), exitCodesTopic())
	root.SetHelpCommandGroupID(groupClient)
	root.SetCompletionCommandGroupID(groupClient)
	return root
}

func (a *app) addFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&a.named, "context", "", "`NAME` of the context to use instead of the current one")
	f.StringVar(&a.flags.URL, "url", "", "`URL` of the core (RHYZOME_URL)")
	f.StringVar(&a.flags.TokenFile, "token-file", "", "`FILE` that holds the token (RHYZOME_TOKEN_FILE, RHYZOME_TOKEN)")
	f.StringVar(&a.flags.CAFile, "ca-file", "", "PEM `FILE` of the CA that signed the core's certificate (RHYZOME_CA_FILE)")
	f.StringVarP(&a.flags.Project, "project", "p", "", "`PROJECT`, by id or name (RHYZOME_PROJECT)")
	f.StringVarP(&a.form, "output", "o", formTable, "`FORM`: table, json or yaml")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "don't tell what happens on the way")
	complete(root, "output", func(*cobra.Command) ([]string, error) { return forms, nil })
	complete(root, "project", namesOf(a, projects))
	complete(root, "context", func(*cobra.Command) ([]string, error) { return contextNames() })
}

func add(parent *cobra.Command, group string, children ...*cobra.Command) {
	for _, c := range children {
		c.GroupID = group
		parent.AddCommand(c)
	}
}

// family returns a command that only holds others.
func family(name, short string, members ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short, Args: member, RunE: func(cmd *cobra.Command, _ []string) error {
		return cmd.Help()
	}}
	c.Example = members[0].Example
	c.AddCommand(members...)
	return c
}

// usage is an error of how the command was called.
func usage(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// CalledWrongly makes an error one of how the command was called, for the commands that are not of this package.
func CalledWrongly(err error) error {
	if err == nil {
		return nil
	}
	return usage("%s", err.Error())
}

type usageError struct{ text string }

// Error returns what was wrong.
func (e *usageError) Error() string { return e.text }

// Run carries the command out and returns the exit code.
func Run(ctx context.Context, root *cobra.Command) int {
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	return report(ctx, cmd, err)
}
