// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/client"
)

func (a *app) eventCommand() *cobra.Command {
	return family("event", "What changes, as it happens", a.eventWatch())
}

func (a *app) eventWatch() *cobra.Command {
	var after int64
	var count int
	cmd := &cobra.Command{
		Use: "watch", Short: "Follow what changes", Args: cobra.NoArgs,
		Long: "Follow what changes until interrupted: what is kept since --after, then what happens. With --output json each event is a\n" +
			"line of its own. A lost connection is made anew and goes on where it stopped.",
		Example: "  rhyzome event watch\n  rhyzome event watch --project alice --after 120 -o json\n  rhyzome event watch --count 10",
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			seen := 0
			for e, err := range t.Events.Watch(cmd.Context(), after, a.flags.Project) {
				if err != nil {
					return err
				}
				if err := a.showEvent(cmd, e); err != nil {
					return err
				}
				if seen++; seen == count {
					return nil
				}
			}
			return nil
		},
	}
	cmd.Flags().Int64Var(&after, "after", 0, "`POSITION` to begin after; 0 for everything that is kept")
	cmd.Flags().IntVar(&count, "count", 0, "end after this `NUMBER` of events")
	return cmd
}

func (a *app) showEvent(cmd *cobra.Command, e client.Event) error {
	w := cmd.OutOrStdout()
	switch a.form {
	case formJSON:
		return json.NewEncoder(w).Encode(e)
	case formYAML:
		if _, err := fmt.Fprintln(w, "---"); err != nil {
			return err
		}
		return a.encode(w, e)
	}
	s := styleOf(w)
	line := fmt.Sprintf("%s  %-22s %s %s  %s", s.faint(fmt.Sprintf("%6d  %s", e.Position, moment(&e.At))),
		e.Type, e.Resource.Kind, s.bold(e.Resource.Name), e.Message)
	_, err := fmt.Fprintln(w, strings.TrimRight(line, " "))
	return err
}
