// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/client"
)

// operations are listed of a project if one is named, else all.
var operations = kind[client.Operation]{
	name: "operation",
	columns: []column[client.Operation]{
		{"ID", func(o client.Operation) string { return o.ID }},
		{"WHAT", func(o client.Operation) string { return o.Kind }},
		{"NAME", func(o client.Operation) string { return o.Resource.Name }},
		{state, func(o client.Operation) string { return string(o.State) }},
		{"DONE", func(o client.Operation) string { return fmt.Sprintf("%d%%", o.Percent) }},
		{"BEGAN", func(o client.Operation) string { return moment(&o.CreatedAt) }},
		{"ABOUT", aboutOperation},
	},
	facts: []column[client.Operation]{
		{"WHAT", func(o client.Operation) string { return o.Kind }},
		{"RESOURCE", func(o client.Operation) string { return o.Resource.Kind + " " + o.Resource.Name }},
		{state, func(o client.Operation) string { return string(o.State) }},
		{"WAITING FOR", func(o client.Operation) string { return o.WaitingFor }},
		{"DONE", func(o client.Operation) string { return fmt.Sprintf("%d%%", o.Percent) }},
		{"STEPS", func(o client.Operation) string { return strings.Join(steps(o), "\n") }},
		{"FAILURE", failure},
		{"LEFTOVERS", func(o client.Operation) string { return strings.Join(o.Leftovers, "\n") }},
		{"BEGAN", func(o client.Operation) string { return moment(&o.CreatedAt) }},
		{"ENDED", func(o client.Operation) string { return moment(o.EndedAt) }},
		{"ID", func(o client.Operation) string { return o.ID }},
	},
	nameOf: func(o client.Operation) string { return o.ID },
	all: func(ctx context.Context, t target) iter.Seq2[client.Operation, error] {
		return t.Operations.All(ctx, t.project)
	},
	get: func(ctx context.Context, t target, id string) (client.Operation, error) {
		return t.Operations.Get(ctx, id)
	},
}

func aboutOperation(o client.Operation) string {
	if o.Error != nil {
		return o.Error.Detail
	}
	return o.WaitingFor
}

func failure(o client.Operation) string {
	if o.Error == nil {
		return ""
	}
	return fmt.Sprintf("%s (%s)", o.Error.Detail, o.Error.Code)
}

func steps(o client.Operation) (all []string) {
	for _, s := range o.Steps {
		line := fmt.Sprintf("%s: %s", s.Name, s.State)
		if s.Detail != "" {
			line += ", " + s.Detail
		}
		all = append(all, line)
	}
	return all
}

func (a *app) operationCommand() *cobra.Command {
	return family("operation", "Changes, and how far they have come",
		a.operationList(),
		getCommand(a, operations, anOperation),
		a.operationWait(),
		a.operationEnd("cancel", "Undo what operations did so far", (*client.Operations).Cancel),
		a.operationEnd("abandon", "Give operations up; what they made stays behind", (*client.Operations).Abandon),
	)
}

func (a *app) operationList() *cobra.Command {
	cmd := listCommand(a, operations)
	cmd.Short = "List all, or those of --project"
	cmd.Example = "  rhyzome operation list\n  rhyzome operation list --project alice -o json"
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		t, err := a.reach(cmd, inCloud)
		if err != nil {
			return err
		}
		t.project = a.flags.Project // one that was asked for, not that of the context
		return showAll(a, cmd, operations.columns, operations.all(cmd.Context(), t))
	}
	return cmd
}

const anOperation = "019b76da-a800-7000-8000-000000000007"

func (a *app) operationWait() *cobra.Command {
	w := waiting{wait: true}
	cmd := &cobra.Command{
		Use: "wait ID...", Short: "Wait until operations have ended", Args: some("ID"),
		Example:           "  rhyzome operation wait " + anOperation + "\n  rhyzome operation wait --timeout 5m " + anOperation,
		ValidArgsFunction: completeNames(0, namesOf(a, operations)),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			for _, id := range args {
				op, err := t.Operations.Get(cmd.Context(), id)
				if err != nil {
					return err
				}
				if err := a.finish(cmd, t.Client, w, op); err != nil {
					return err
				}
			}
			return nil
		},
	}
	w.addTimeout(cmd)
	return cmd
}

func (a *app) operationEnd(name, short string, do func(*client.Operations, context.Context, string) (client.Operation, error)) *cobra.Command {
	return &cobra.Command{
		Use: name + " ID...", Short: short, Args: some("ID"),
		Example: "  rhyzome operation " + name + " " + anOperation, ValidArgsFunction: completeNames(0, namesOf(a, operations)),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			for _, id := range args {
				op, err := do(t.Operations, cmd.Context(), id)
				if err != nil {
					return err
				}
				if err := show(a, cmd, operations.facts, op); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
