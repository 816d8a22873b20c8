// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"
)

// The forms of output.
const (
	formTable = "table"
	formJSON  = "json"
	formYAML  = "yaml"
)

var forms = []string{formTable, formJSON, formYAML}

// column is one fact of a thing, for people.
type column[T any] struct {
	title string
	value func(T) string
}

// state is the title of the column that is coloured.
const state = "STATE"

// showAll writes a list: a table, or all of every item.
func showAll[T any](a *app, cmd *cobra.Command, columns []column[T], items iter.Seq2[T, error]) error {
	all := []T{}
	for item, err := range items {
		if err != nil {
			return err
		}
		all = append(all, item)
	}
	if a.form != formTable {
		return a.encode(cmd.OutOrStdout(), all)
	}
	if len(all) == 0 {
		a.note(cmd, "There are none.")
		return nil
	}
	rows := make([][]string, len(all))
	for i, item := range all {
		for _, c := range columns {
			rows[i] = append(rows[i], c.value(item))
		}
	}
	titles := make([]string, len(columns))
	for i, c := range columns {
		titles[i] = c.title
	}
	return table(styleOf(cmd.OutOrStdout()), titles, rows)
}

// show writes one thing: a line for each fact, or all of it.
func show[T any](a *app, cmd *cobra.Command, facts []column[T], item T) error {
	if a.form != formTable {
		return a.encode(cmd.OutOrStdout(), item)
	}
	s := styleOf(cmd.OutOrStdout())
	var known [][2]string
	widest := 0
	for _, f := range facts {
		value := f.value(item)
		if value == "" {
			continue
		}
		if f.title == state {
			value = s.state(value)
		}
		known = append(known, [2]string{strings.ToLower(f.title), value})
		widest = max(widest, len(f.title))
	}
	var b strings.Builder
	indent := "\n" + strings.Repeat(" ", widest+2)
	for _, k := range known {
		fmt.Fprintf(&b, "%s  %s\n", s.faint(fmt.Sprintf("%-*s", widest, k[0])), strings.ReplaceAll(k[1], "\n", indent))
	}
	_, err := io.WriteString(s.w, b.String())
	return err
}

// table writes rows under titles. On a terminal no row wraps; --output json tells all.
func table(s style, titles []string, rows [][]string) error {
	widths := make([]int, len(titles))
	for _, row := range append([][]string{titles}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	line := func(row []string, paint func(i int, cell string) string) {
		text := ""
		for i, cell := range row {
			text += paint(i, cell)
			if i < len(row)-1 {
				text += strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2)
			}
		}
		if s.terminal {
			text = fit(text, s.width())
		}
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	line(titles, func(_ int, cell string) string { return s.faint(cell) })
	for _, row := range rows {
		line(row, func(i int, cell string) string {
			if titles[i] == state {
				return s.state(cell)
			}
			return cell
		})
	}
	_, err := io.WriteString(s.w, b.String())
	return err
}

// encode writes JSON, or the same as YAML with the same order of keys.
func (a *app) encode(w io.Writer, v any) error {
	if a.form == formJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var tree yaml.Node
	if err := yaml.Unmarshal(raw, &tree); err != nil {
		return err
	}
	unquote(&tree)
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	return e.Encode(&tree)
}

// unquote drops JSON's style where YAML does without it.
func unquote(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		unquote(child)
	}
}

// note tells people what happened; programs see it in the output and the exit code.
func (a *app) note(cmd *cobra.Command, format string, args ...any) {
	s := styleOf(cmd.ErrOrStderr())
	if s.terminal && !a.quiet {
		fmt.Fprintf(s.w, format+"\n", args...)
	}
}
