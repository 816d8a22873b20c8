// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// exactly wants the named arguments and no others.
func exactly(wanted ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(wanted):
			return usage("%s is missing: %s", wanted[len(args)], cmd.UseLine())
		case len(args) > len(wanted):
			return usage("%q is one argument too many: %s", args[len(wanted)], cmd.UseLine())
		}
		return nil
	}
}

// some wants at least one argument.
func some(wanted string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage("%s is missing: %s", wanted, cmd.UseLine())
		}
		return nil
	}
}

// member wants no argument: what is not a command of the family is mistyped.
func member(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	guess := ""
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		guess = "did you mean " + strings.Join(similar, " or ") + "? "
	}
	return usage("%q is not a command of %s; %ssee: %s --help", args[0], cmd.CommandPath(), guess, cmd.CommandPath())
}

// missing reports the flags that a command cannot do without and did not get.
func missing(cmd *cobra.Command) error {
	var absent []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Annotations[cobra.BashCompOneRequiredFlag] != nil && !f.Changed {
			absent = append(absent, "--"+f.Name)
		}
	})
	if len(absent) == 0 {
		return nil
	}
	return usage("%s is missing; see: %s --help", strings.Join(absent, ", "), cmd.CommandPath())
}

// must marks flags without which the command makes no sense.
func must(cmd *cobra.Command, flags ...string) {
	for _, f := range flags {
		cobra.CheckErr(cmd.MarkFlagRequired(f)) // the flag was just added
	}
}

func labels(all map[string]string) string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		pairs = append(pairs, key+"="+all[key])
	}
	return strings.Join(pairs, ",")
}
