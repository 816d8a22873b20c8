// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"maps"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
)

func (a *app) contextCommand() *cobra.Command {
	return family("context", "Which core this command speaks to",
		a.contextSet(), a.contextUse(), a.contextList(), a.contextDelete())
}

func (a *app) contextSet() *cobra.Command {
	var token bool
	cmd := &cobra.Command{
		Use: "set NAME", Short: "Create or change a context, and use it", Args: exactly("NAME"),
		Long: "Create or change a context, and use it from now on. The flags --url, --token-file, --ca-file and --project say what it\n" +
			"holds; what is not given stays. The file is yours alone (mode 0600).",
		Example: "  rhyzome context set home --url https://core.example:8443 --token-file operator.token --ca-file ca.pem\n" +
			"  rhyzome context set home --project alice\n  pass show rhyzome | rhyzome context set home --token-stdin",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := readContexts()
			if err != nil {
				return err
			}
			given, err := a.given(cmd, token)
			if err != nil {
				return err
			}
			if c.Contexts == nil {
				c.Contexts = map[string]settings{}
			}
			c.Contexts[args[0]] = given.over(c.Contexts[args[0]])
			c.Current = args[0]
			if err := c.write(); err != nil {
				return err
			}
			a.note(cmd, "The context %s is in use.", args[0])
			return nil
		},
	}
	cmd.Flags().BoolVar(&token, "token-stdin", false, "read the token from stdin and keep it in the contexts file")
	return cmd
}

// given returns the flags with absolute paths: the file that keeps them lies elsewhere.
func (a *app) given(cmd *cobra.Command, token bool) (settings, error) {
	s := a.flags
	for _, path := range []*string{&s.TokenFile, &s.CAFile} {
		if *path == "" {
			continue
		}
		full, err := filepath.Abs(*path)
		if err != nil {
			return s, err
		}
		*path = full
	}
	if !token {
		return s, nil
	}
	if s.TokenFile != "" {
		return s, usage("--token-stdin and --token-file exclude each other")
	}
	text, err := argument(cmd, "-")
	s.Token = text
	return s, err
}

func (a *app) contextUse() *cobra.Command {
	return &cobra.Command{
		Use: "use NAME", Short: "Use a context from now on", Args: exactly("NAME"), Example: "  rhyzome context use home",
		ValidArgsFunction: completeNames(1, func(*cobra.Command) ([]string, error) { return contextNames() }),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := readContexts()
			if err != nil {
				return err
			}
			if _, err := c.pick(args[0]); err != nil {
				return err
			}
			c.Current = args[0]
			if err := c.write(); err != nil {
				return err
			}
			a.note(cmd, "The context %s is in use.", args[0])
			return nil
		},
	}
}

func (a *app) contextDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME...", Aliases: []string{"rm"}, Short: "Forget contexts", Args: some("NAME"), Example: "  rhyzome context delete home",
		ValidArgsFunction: completeNames(0, func(*cobra.Command) ([]string, error) { return contextNames() }),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := readContexts()
			if err != nil {
				return err
			}
			for _, name := range args {
				if _, err := c.pick(name); err != nil {
					return err
				}
				delete(c.Contexts, name)
				if c.Current == name {
					c.Current = ""
				}
			}
			return c.write()
		},
	}
}

// contextView is a context as it is shown: without its token.
type contextView struct {
	Name    string `json:"name"`
	Current bool   `json:"current"`
	URL     string `json:"url"`
	Project string `json:"project,omitempty"`
	Token   string `json:"token,omitempty"`
	CAFile  string `json:"ca_file,omitempty"`
}

func (a *app) contextList() *cobra.Command {
	columns := []column[contextView]{
		{"CURRENT", func(v contextView) string {
			if v.Current {
				return "*"
			}
			return ""
		}},
		{"NAME", func(v contextView) string { return v.Name }},
		{"URL", func(v contextView) string { return v.URL }},
		{"PROJECT", func(v contextView) string { return v.Project }},
		{"TOKEN", func(v contextView) string { return v.Token }},
		{"CA", func(v contextView) string { return v.CAFile }},
	}
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List contexts", Args: cobra.NoArgs, Example: "  rhyzome context list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := readContexts()
			if err != nil {
				return err
			}
			return showAll(a, cmd, columns, c.views())
		},
	}
}

// views yields the contexts in the order of their names.
func (c contextsFile) views() func(func(contextView, error) bool) {
	return func(yield func(contextView, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(c.Contexts)) {
			s := c.Contexts[name]
			v := contextView{Name: name, Current: name == c.Current, URL: s.URL, Project: s.Project, Token: s.TokenFile, CAFile: s.CAFile}
			if s.Token != "" {
				v.Token = "(kept here)"
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}
