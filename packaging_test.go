// SPDX-License-Identifier: Apache-2.0

package rhyzome_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// commands are the programs that packages start, by the name that they are installed with.
var commands = map[string]string{
	"rhyzome": "./cmd/rhyzome", "rhyzome-libvirt": "./plugins/libvirt/cmd/rhyzome-libvirt", "rhyzome-openwrt": "./plugins/openwrt/cmd/rhyzome-openwrt",
}

// TestUnitsStartWhatThereIs runs what units and init scripts start, with --help behind it: the program and its command
// exist.
func TestUnitsStartWhatThereIs(t *testing.T) {
	files, err := filepath.Glob("packaging/*/*")
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v", files, err)
	}
	bin := t.TempDir()
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		started := ""
		for line := range strings.Lines(string(content)) {
			line = strings.TrimSpace(line)
			for _, key := range []string{"ExecStart=", "procd_set_param command "} {
				if command, ok := strings.CutPrefix(line, key); ok {
					started = command
				}
			}
		}
		words := strings.Fields(started)
		if len(words) == 0 {
			t.Errorf("%s starts nothing", file)
			continue
		}
		name := filepath.Base(words[0])
		build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, name), commands[name])
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s starts %s: %v\n%s", file, words[0], err, out)
		}
		out, err := exec.CommandContext(t.Context(), filepath.Join(bin, name), append(words[1:], "--help")...).CombinedOutput()
		if usage := name + " " + strings.Join(words[1:], " "); err != nil || !strings.Contains(string(out), usage) {
			t.Errorf("%s: %s --help: %v\n%s", file, started, err, out)
		}
	}
}
