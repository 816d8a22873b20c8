// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"gopkg.in/yaml.v3"

	"github.com/rhyzome/rhyzome/sdk/client"
)

func (a *app) providerConfigure() *cobra.Command {
	var file string
	var dryRun, yes bool
	cmd := &cobra.Command{
		Use: "configure NAME --file FILE", Short: "Change the configuration of a provider that the core runs", Args: exactly("NAME"),
		Long: "Change the configuration of a provider that the core runs. The file holds all of it. The core holds it against the\n" +
			"provider's schema and shows what would change, with secrets masked; when that is affirmed, it gives it to the provider,\n" +
			"and keeps it if the provider takes it: else the one from before stays. A provider on another machine has its\n" +
			"configuration there.",
		Example: "  rhyzome provider configure acme --file acme.yaml\n  rhyzome provider configure acme --file acme.yaml --dry-run\n" +
			"  rhyzome provider configure acme --file acme.yaml --yes",
		ValidArgsFunction: completeNames(1, namesOf(a, providers)),
		RunE: func(cmd *cobra.Command, args []string) error {
			ask := a.form == formTable && term.IsTerminal(int(os.Stdin.Fd())) && styleOf(cmd.ErrOrStderr()).terminal
			if !dryRun && !yes && !ask {
				return usage("nobody is there to affirm the plan: say --dry-run or --yes")
			}
			config, err := readConfig("file", file)
			if err != nil {
				return err
			}
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			plan, err := t.Providers.PlanConfig(cmd.Context(), args[0], config)
			if err != nil {
				return err
			}
			if dryRun {
				return a.showPlan(cmd, plan)
			}
			if !yes {
				if err := a.showPlan(cmd, plan); err != nil || len(plan.Changes) == 0 {
					return err
				}
				if sure, err := affirmed(cmd, "Apply it? [y/N] "); err != nil || !sure {
					return err
				}
			}
			if plan, err = t.Providers.Configure(cmd.Context(), args[0], config, plan.Generation); err != nil {
				return err
			}
			if yes {
				err = a.showPlan(cmd, plan)
			}
			a.note(cmd, "The provider %s is configured.", args[0])
			return err
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "YAML `FILE` on this machine: the whole configuration")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "check it and show the plan, and change nothing")
	cmd.Flags().BoolVar(&yes, "yes", false, "apply the plan without asking")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "yes")
	must(cmd, "file")
	forFile(cmd, "file", "/config")
	return cmd
}

// readConfig reads a provider's configuration from the file that a flag names.
func readConfig(flag, file string) (map[string]any, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usage("--%s: %s", flag, err.Error())
	}
	config := map[string]any{}
	documents := yaml.NewDecoder(bytes.NewReader(text))
	if err := documents.Decode(&config); err != nil && !errors.Is(err, io.EOF) {
		return nil, usage("--%s: %s: %s", flag, file, err.Error())
	}
	if err := documents.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, usage("--%s: %s: there is more than one YAML document; a configuration is one", flag, file)
	}
	return config, nil
}

// showPlan shows what a configuration changes.
func (a *app) showPlan(cmd *cobra.Command, plan client.ConfigPlan) error {
	if a.form != formTable {
		return a.encode(cmd.OutOrStdout(), plan)
	}
	s := styleOf(cmd.OutOrStdout())
	var b strings.Builder
	for _, c := range plan.Changes {
		switch c.Change {
		case "added":
			fmt.Fprintf(&b, "%s %s: %s\n", s.green("+"), c.Path, shown(c.New))
		case "removed":
			fmt.Fprintf(&b, "%s %s: %s\n", s.red("-"), c.Path, shown(c.Old))
		default:
			fmt.Fprintf(&b, "%s %s: %s -> %s\n", s.yellow("~"), c.Path, shown(c.Old), shown(c.New))
		}
	}
	switch {
	case len(plan.Changes) == 0:
		b.WriteString("Nothing changes.\n")
	case !plan.Applied:
		fmt.Fprintf(&b, "Then the core will %s.\n", plan.Then)
	}
	_, err := fmt.Fprint(s.w, b.String())
	return err
}

// shown is a value as the core sent it; it leaves null out.
func shown(v json.RawMessage) string { return cmp.Or(string(v), "null") }

// affirmed asks on the terminal.
func affirmed(cmd *cobra.Command, question string) (bool, error) {
	if _, err := fmt.Fprint(cmd.ErrOrStderr(), question); err != nil {
		return false, err
	}
	answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil {
		return false, usage("there was no answer")
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", nil
}
