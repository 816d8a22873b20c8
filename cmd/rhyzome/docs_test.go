// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// pages are the texts that show commands.
func pages(t *testing.T) []string {
	t.Helper()
	all := []string{"../../README.md", "../../CONTRIBUTING.md"}
	for _, pattern := range []string{"../../docs/*.md", "../../docs/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}

// blocks returns the fenced blocks of a language.
func blocks(t *testing.T, page, language string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split("\n"+string(text), "\n```") {
		if content, ok := strings.CutPrefix(part, language+"\n"); ok && i%2 == 1 {
			all = append(all, content)
		}
	}
	return all
}

// TestCommandsOfTheDocumentation holds every call of rhyzome that the documentation shows to the command line: the
// command, its flags and the number of its arguments. None is carried out.
func TestCommandsOfTheDocumentation(t *testing.T) {
	checked := 0
	for _, page := range pages(t) {
		for _, block := range blocks(t, page, "sh") {
			for _, words := range commands(block) {
				if filepath.Base(words[0]) != "rhyzome" {
					continue
				}
				checked++
				if err := understood(words[1:]); err != nil {
					t.Errorf("%s: %q: %v", filepath.Base(page), words, err)
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("%d commands were found", checked)
	}
}

// understood reports whether the command line understands a call.
func understood(words []string) error {
	cmd, rest, err := newRootCommand().Find(words)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil && !errors.Is(err, pflag.ErrHelp) {
		return err
	}
	if cmd.Flags().Changed("help") {
		return nil
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		return err
	}
	var missing error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Annotations[cobra.BashCompOneRequiredFlag] != nil && !f.Changed {
			missing = fmt.Errorf("--%s is missing", f.Name)
		}
	})
	return missing
}

// commands takes a script apart into its simple commands, as far as documentation goes: words, quotes, comments,
// pipes, && and redirections.
func commands(script string) (all [][]string) {
	var words []string
	var word strings.Builder
	var quote rune
	comment, started := false, false
	endWord := func() {
		if started {
			words = append(words, word.String())
		}
		word.Reset()
		started = false
	}
	endCommand := func() {
		endWord()
		if len(words) > 0 {
			all = append(all, words)
		}
		words = nil
	}
	for _, r := range strings.ReplaceAll(script, "\\\n", " ") + "\n" {
		switch {
		case comment && r != '\n':
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, started = r, true
		case r == '#' && !started:
			comment = true
		case r == '\n':
			comment = false
			endCommand()
		case strings.ContainsRune("|&;<>", r):
			endCommand()
		case r == ' ' || r == '\t':
			endWord()
		default:
			started = true
			word.WriteRune(r)
		}
	}
	return all
}

// TestServerConfigurationsOfTheDocumentation reads every server.yaml that the documentation shows.
func TestServerConfigurationsOfTheDocumentation(t *testing.T) {
	checked := 0
	for _, page := range pages(t) {
		for _, block := range blocks(t, page, "yaml") {
			if !strings.HasPrefix(block, "# "+serverConfigFile+"\n") {
				continue
			}
			checked++
			file := filepath.Join(t.TempDir(), "server.yaml")
			if err := os.WriteFile(file, []byte(block), 0o600); err != nil {
				t.Fatal(err)
			}
			c := defaultServerConfig()
			if err := errors.Join(c.readFile(file), c.complete()); err != nil {
				t.Errorf("%s: %v", filepath.Base(page), err)
			}
		}
	}
	if checked == 0 {
		t.Error("no configuration was found")
	}
}
