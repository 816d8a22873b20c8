// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadConfig(t *testing.T) {
	for text, want := range map[string]struct {
		config map[string]any
		wrong  string
	}{
		"":                                   {config: map[string]any{}},
		"---\ncolour: green\n...\n":          {config: map[string]any{"colour": "green"}},
		"- green\n":                          {wrong: "cannot unmarshal"},
		"colour: green\n---\ncolour: blue\n": {wrong: "more than one YAML document"},
	} {
		file := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		config, err := readConfig("file", file)
		if want.wrong == "" {
			if err != nil || !cmp.Equal(config, want.config) {
				t.Errorf("%q: %v, %v", text, config, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), want.wrong) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
