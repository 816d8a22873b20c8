// SPDX-License-Identifier: Apache-2.0

package uci

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"unicode"
	"unicode/utf8"

	gouci "github.com/digineo/go-uci/v2"
)

// ValueError says what cannot be written. It never holds the value, which may be a secret.
type ValueError struct {
	Section, Option string
	Problem         string
}

// Error names section, option and problem.
func (e *ValueError) Error() string {
	if e.Option == "" {
		return fmt.Sprintf("section %s: %s", e.Section, e.Problem)
	}
	return fmt.Sprintf("section %s, option %s: %s", e.Section, e.Option, e.Problem)
}

const maxValue = 1024

var (
	nameForm = regexp.MustCompile(`^[a-zA-Z0-9_]{1,64}$`)
	typeForm = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
)

// render returns the text of each section, as go-uci writes it: the config line and the options.
func render(sections []Section) ([]string, error) {
	if len(sections) == 0 {
		return nil, nil
	}
	for i, s := range sections {
		if err := check(s); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(sections[:i], func(o Section) bool { return o.Name == s.Name }) {
			return nil, &ValueError{Section: s.Name, Problem: "set twice"}
		}
	}
	text, err := commit(sections)
	if err != nil {
		return nil, err
	}
	return verify(sections, text)
}

// check refuses what go-uci would write so that uci reads something else, or nothing at all.
func check(s Section) error {
	if !nameForm.MatchString(s.Name) {
		return &ValueError{Section: s.Name, Problem: "the name cannot be written"}
	}
	if !typeForm.MatchString(s.Type) {
		return &ValueError{Section: s.Name, Problem: "the type cannot be written"}
	}
	for i, o := range s.Options {
		if err := checkOption(o); err != "" {
			return &ValueError{Section: s.Name, Option: o.Name, Problem: err}
		}
		if slices.ContainsFunc(s.Options[:i], func(p Option) bool { return p.Name == o.Name }) {
			return &ValueError{Section: s.Name, Option: o.Name, Problem: "set twice"}
		}
	}
	return nil
}

func checkOption(o Option) string {
	switch {
	case !nameForm.MatchString(o.Name):
		return "the name cannot be written"
	case len(o.Values) == 0 || !o.List && len(o.Values) > 1:
		return "an option has one value, a list at least one"
	}
	for i, v := range o.Values {
		if problem := checkValue(v); problem != "" {
			return problem
		}
		if slices.Contains(o.Values[:i], v) {
			return "the list holds a value twice"
		}
	}
	return ""
}

func checkValue(v string) string {
	switch {
	case v == "":
		return "the value is empty"
	case len(v) > maxValue:
		return "the value is too long"
	case !utf8.ValidString(v):
		return "the value is not UTF-8"
	}
	for _, r := range v {
		if r == '\'' || r == '\\' || !unicode.IsPrint(r) {
			return "the value holds a quote, a backslash or a control character"
		}
	}
	return ""
}

// commit lets go-uci write the sections into a file of their own, in a private directory.
func commit(sections []Section) (text string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("go-uci panicked: %v", r)
		}
	}()
	dir, err := os.MkdirTemp("", "rhyzome-uci-")
	if err != nil {
		return "", fmt.Errorf("render: %w", err)
	}
	defer func() { err = keepFirst(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "ours")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return "", fmt.Errorf("render: %w", err)
	}
	tree := gouci.NewTree(dir)
	if err := tree.LoadConfig("ours", true); err != nil {
		return "", fmt.Errorf("render: %w", err)
	}
	for _, s := range sections {
		if err := add(tree, s); err != nil {
			return "", fmt.Errorf("render %s: %w", s.Name, err)
		}
	}
	if err := tree.Commit(); err != nil {
		return "", fmt.Errorf("render: %w", err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("render: %w", err)
	}
	return string(content), nil
}

func add(tree gouci.Tree, s Section) error {
	if err := tree.AddSection("ours", s.Name, s.Type); err != nil {
		return err
	}
	for _, o := range s.Options {
		kind := gouci.TypeOption
		if o.List {
			kind = gouci.TypeList
		}
		if err := tree.SetType("ours", s.Name, o.Name, kind, o.Values...); err != nil {
			return err
		}
	}
	return nil
}

// verify reads back what was rendered, and fails if it is anything but what was wanted.
func verify(sections []Section, text string) ([]string, error) {
	f, err := Parse("rendered", text, func(string) bool { return true })
	if err != nil {
		return nil, fmt.Errorf("go-uci wrote what cannot be read: %w", err)
	}
	if !slices.EqualFunc(f.Sections(), sections, Section.equal) {
		return nil, fmt.Errorf("go-uci wrote something else than it was given")
	}
	texts, all := f.texts(), make([]string, 0, len(sections))
	for _, s := range sections {
		all = append(all, texts[s.Name])
	}
	return all, nil
}

func keepFirst(first, second error) error {
	if first != nil {
		return first
	}
	return second
}
