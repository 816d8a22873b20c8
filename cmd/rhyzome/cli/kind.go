// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"iter"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/client"
)

// target is where a command works: a core, and for some kinds a project and a network in it.
type target struct {
	*client.Client
	project string
	network string
}

// kind is what the commands that every kind of resource has need to know of it.
type kind[T any] struct {
	name    string // "network"
	scope   scope
	columns []column[T] // of list
	facts   []column[T] // of get
	nameOf  func(T) string
	all     func(context.Context, target) iter.Seq2[T, error]
	get     func(context.Context, target, string) (T, error)
}

// scope says what a kind lies in.
type scope int

const (
	inCloud scope = iota
	inProject
	inNetwork // which the flag --network names
)

// reach returns the target of a command.
func (a *app) reach(cmd *cobra.Command, s scope) (target, error) {
	var t target
	var err error
	if s == inCloud {
		t.Client, err = a.connect()
		return t, err
	}
	if s == inNetwork {
		if t.network = cmd.Flag("network").Value.String(); t.network == "" {
			return t, usage("no network is named: --network")
		}
	}
	t.Client, t.project, err = a.in()
	return t, err
}

// addScope adds the flags that a scope needs.
func (a *app) addScope(cmd *cobra.Command, s scope) {
	if s == inNetwork {
		cmd.Flags().StringP("network", "n", "", "`NETWORK`, by id or name")
		must(cmd, "network")
		complete(cmd, "network", namesOf(a, networks))
	}
}

// at completes an example with the flags of the scope.
func (s scope) at(example string) string {
	if s == inNetwork {
		example += " --network lan"
	}
	return "  " + example
}

// listCommand shows all of a kind.
func listCommand[T any](a *app, k kind[T]) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List all", Args: cobra.NoArgs,
		Example: k.scope.at("rhyzome "+k.name+" list") + "\n" + k.scope.at("rhyzome "+k.name+" list -o json"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := a.reach(cmd, k.scope)
			if err != nil {
				return err
			}
			return showAll(a, cmd, k.columns, k.all(cmd.Context(), t))
		},
	}
	a.addScope(cmd, k.scope)
	return cmd
}

// getCommand shows one of a kind.
func getCommand[T any](a *app, k kind[T], example string) *cobra.Command {
	cmd := &cobra.Command{
		Use: "get NAME", Aliases: []string{"show"}, Short: "Show one", Args: exactly("NAME"),
		Example:           k.scope.at("rhyzome "+k.name+" get "+example) + "\n" + k.scope.at("rhyzome "+k.name+" get "+example+" -o yaml"),
		ValidArgsFunction: completeNames(1, namesOf(a, k)),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.reach(cmd, k.scope)
			if err != nil {
				return err
			}
			item, err := k.get(cmd.Context(), t, args[0])
			if err != nil {
				return err
			}
			return show(a, cmd, k.facts, item)
		},
	}
	a.addScope(cmd, k.scope)
	return cmd
}

// deleteCommand deletes what goes at once.
func deleteCommand[T any](a *app, k kind[T], long, example string, remove func(context.Context, target, string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete NAME...", Aliases: []string{"rm"}, Short: "Delete", Long: long, Args: some("NAME"),
		Example: k.scope.at("rhyzome " + k.name + " delete " + example), ValidArgsFunction: completeNames(0, namesOf(a, k)),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.reach(cmd, k.scope)
			if err != nil {
				return err
			}
			for _, name := range args {
				if err := remove(cmd.Context(), t, name); err != nil {
					return err
				}
				a.note(cmd, "The %s %s is gone.", k.name, name)
			}
			return nil
		},
	}
	a.addScope(cmd, k.scope)
	return cmd
}

// verb is something that is done to resources by an operation each.
type verb struct {
	name, short, long, example string
	do                         func(context.Context, target, string) (client.Operation, error)
}

// verbCommand begins an operation on each of the named resources, and shows the operations.
func verbCommand[T any](a *app, k kind[T], v verb) *cobra.Command {
	var w waiting
	cmd := &cobra.Command{
		Use: v.name + " NAME...", Short: v.short, Long: v.long, Args: some("NAME"),
		Example: k.scope.at(fmt.Sprintf("rhyzome %s %s %s", k.name, v.name, v.example)) + "\n" +
			k.scope.at(fmt.Sprintf("rhyzome %s %s %s --wait", k.name, v.name, v.example)),
		ValidArgsFunction: completeNames(0, namesOf(a, k)),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.reach(cmd, k.scope)
			if err != nil {
				return err
			}
			for _, name := range args {
				op, err := v.do(cmd.Context(), t, name)
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
	if v.name == "delete" {
		cmd.Aliases = []string{"rm"}
	}
	w.addFlags(cmd)
	a.addScope(cmd, k.scope)
	return cmd
}

// namesOf completes with the names of a kind.
func namesOf[T any](a *app, k kind[T]) func(*cobra.Command) ([]string, error) {
	return func(cmd *cobra.Command) ([]string, error) {
		t, err := a.reach(cmd, k.scope)
		if err != nil {
			return nil, err
		}
		return names(k.all(cmd.Context(), t), k.nameOf)
	}
}
