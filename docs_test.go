// SPDX-License-Identifier: Apache-2.0

package rhyzome_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// pages are all texts of the repository.
func pages(t *testing.T) (all []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		hidden := strings.HasPrefix(d.Name(), ".") && path != "."
		switch {
		case err != nil:
			return err
		case d.IsDir() && (hidden || path == "bin" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			all = append(all, path)
		}
		return nil
	})
	if err != nil || len(all) < 10 {
		t.Fatalf("%d pages, %v", len(all), err)
	}
	return all
}

// block is a fenced piece of a page.
type block struct {
	language string
	lines    []string
}

// split takes a page apart: the text, and its fenced blocks.
func split(t *testing.T, page string) (text []string, blocks []block) {
	t.Helper()
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	inside := false
	for line := range strings.Lines(string(content)) {
		line = strings.TrimRight(line, "\n")
		language, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && !inside:
			inside, blocks = true, append(blocks, block{language: language})
		case fence:
			inside = false
		case inside:
			last := &blocks[len(blocks)-1]
			last.lines = append(last.lines, line)
		default:
			text = append(text, line)
		}
	}
	if inside {
		t.Errorf("%s: a block does not end", page)
	}
	return text, blocks
}

var link = regexp.MustCompile(`\]\(([^()\s]+)\)`)

// TestLinks holds every link inside the repository to the file, and the heading, that it names.
func TestLinks(t *testing.T) {
	for _, page := range pages(t) {
		text, _ := split(t, page)
		for _, found := range link.FindAllStringSubmatch(strings.Join(text, "\n"), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(found[1], "#")
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(target); errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %s leads nowhere", page, found[1])
			} else if anchor != "" && !slices.Contains(anchors(t, target), anchor) {
				t.Errorf("%s: %s has no heading %s", page, target, anchor)
			}
		}
	}
}

// anchors are the names that GitHub gives to the headings of a page.
func anchors(t *testing.T, page string) (all []string) {
	t.Helper()
	text, _ := split(t, page)
	for _, line := range text {
		marks, title, ok := strings.Cut(line, " ")
		if !ok || marks == "" || strings.Trim(marks, "#") != "" {
			continue
		}
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, title))
	}
	return all
}

// TestProviderConfigurations holds every provider.yaml of the documentation, whose first line names the provider, to
// that provider's schema.
func TestProviderConfigurations(t *testing.T) {
	checked := 0
	for _, page := range pages(t) {
		_, blocks := split(t, page)
		for _, b := range blocks {
			if b.language != "yaml" || !strings.HasPrefix(b.lines[0], "# /etc/rhyzome/provider.yaml of rhyzome-") {
				continue
			}
			checked++
			_, plugin, _ := strings.Cut(b.lines[0], "of rhyzome-")
			var file struct {
				Config any `yaml:"config"`
			}
			if err := yaml.Unmarshal([]byte(strings.Join(b.lines, "\n")), &file); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if err := schemaOf(t, plugin).Validate(file.Config); err != nil {
				t.Errorf("%s: the configuration of %s: %v", page, plugin, err)
			}
		}
	}
	if checked < 2 {
		t.Errorf("%d configurations were found", checked)
	}
}

func schemaOf(t *testing.T, plugin string) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(filepath.Join("plugins", plugin, "config.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
