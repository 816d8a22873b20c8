// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/conformance"
)

func listCommand() *cobra.Command {
	var profile string
	var wide bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the cases",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if profile != "" {
				if err := checkProfile(profile); err != nil {
					return err
				}
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, c := range conformance.Cases() {
				if profile != "" && string(cmp.Or(c.Profile, conformance.Core)) != profile {
					continue
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", c.ID, c.Level, cmp.Or(c.Profile, conformance.Core), cmp.Or(c.Needs, "-"), c.Title)
				if wide {
					fmt.Fprintf(table, "\tcontract: %s\n\tcatches: %s\n", c.Sentence, strings.Join(c.Evidence(), "; "))
				}
			}
			return table.Flush()
		},
	}
	cmd.Flags().StringVar(&profile, "profile", "", "only the cases that this profile adds: core, extended or dataplane")
	cmd.Flags().BoolVar(&wide, "wide", false, "with the contract's sentence, and the broken providers that the case is there for")
	return cmd
}

func explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "explain CASE",
		Short:   "Say what a case proves, and how to mend a provider that fails it",
		Example: "  rhyzome-conformance explain INSTANCE-APPLY-003",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, c := range conformance.Cases() {
				if c.ID == args[0] {
					_, err := fmt.Fprintf(cmd.OutOrStdout(), explanation, c.ID, c.Title, c.Level, cmp.Or(c.Profile, conformance.Core),
						cmp.Or(c.Needs, "nothing"), c.Sentence, c.Fix, strings.Join(c.Evidence(), "\n           "))
					return err
				}
			}
			return fmt.Errorf("there is no case %s; see: rhyzome-conformance list", args[0])
		},
	}
}

const explanation = `%s: %s
level:     %s
profile:   %s
needs:     %s
contract:  %s
to mend:   %s
catches:   %s
`
