// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"iter"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/client"
)

var projects = kind[client.Project]{
	name: "project",
	columns: []column[client.Project]{
		{"NAME", func(p client.Project) string { return p.Name }},
		{"DISPLAY NAME", func(p client.Project) string { return p.DisplayName }},
		{"LABELS", func(p client.Project) string { return labels(p.Labels) }},
		{"CREATED", func(p client.Project) string { return moment(&p.CreatedAt) }},
	},
	facts:  metaFacts(func(p client.Project) client.Meta { return p.Meta }),
	nameOf: func(p client.Project) string { return p.Name },
	all:    func(ctx context.Context, t target) iter.Seq2[client.Project, error] { return t.Projects.All(ctx) },
	get: func(ctx context.Context, t target, name string) (client.Project, error) {
		return t.Projects.Get(ctx, name)
	},
}

// metaFacts are the facts of every named resource, around those of its own.
func metaFacts[T any](meta func(T) client.Meta, own ...column[T]) []column[T] {
	facts := []column[T]{
		{"NAME", func(v T) string { return meta(v).Name }},
		{"DISPLAY NAME", func(v T) string { return meta(v).DisplayName }},
	}
	facts = append(facts, own...)
	return append(facts,
		column[T]{"LABELS", func(v T) string { return labels(meta(v).Labels) }},
		column[T]{"CREATED", func(v T) string { m := meta(v); return moment(&m.CreatedAt) }},
		column[T]{"ID", func(v T) string { return meta(v).ID }},
	)
}

func (a *app) projectCommand() *cobra.Command {
	return family("project", "The owners of everything: the boundary of visibility",
		a.projectCreate(),
		listCommand(a, projects),
		getCommand(a, projects, "alice"),
		deleteCommand(a, projects, "Delete projects that own nothing any more. What a project owns is never deleted along with it.",
			"alice", func(ctx context.Context, t target, name string) error { return t.Projects.Delete(ctx, name) }),
	)
}

func (a *app) projectCreate() *cobra.Command {
	var n naming
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a project", Args: exactly("NAME"),
		Example: "  rhyzome project create alice\n  rhyzome project create shop --display-name \"The shop\" --label team=web",
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			p, err := t.Projects.Create(cmd.Context(), client.NewProject{Name: args[0], DisplayName: n.display, Labels: n.labels})
			if err != nil {
				return err
			}
			return show(a, cmd, projects.facts, p)
		},
	}
	n.addFlags(cmd)
	return cmd
}
