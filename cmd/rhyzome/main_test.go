// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"testing"

	"github.com/rhyzome/rhyzome/cmd/rhyzome/cli"
)

// TestCalledWrongly: the exit code of a wrong call is 2 for the commands that do something here, too.
func TestCalledWrongly(t *testing.T) {
	for _, args := range [][]string{
		{"server", "--state-dir", "var"},
		{"server", "--rest-listen", "everywhere"},
		{"server", "--config", "/nonexistent"},
		{"server", "--state-dir", t.TempDir(), "--log-level", "loud"},
		{"server", "--dev", "--dev-with", "everything"},
		{"server", "--dev-with", "compute"},
		{"server", "now"},
		{"relay", "check"},
		{"relay", "attach"},
		{"ca", "root", "--cloud", "notauuid", "--out", t.TempDir()},
		{"ca", "root", "--cloud", "notauuid"},
		{"ca", "sign", "--root", t.TempDir(), "--years", "0"},
	} {
		var said bytes.Buffer
		root := newRootCommand()
		root.SetArgs(args)
		root.SetOut(&said)
		root.SetErr(&said)
		if code := cli.Run(t.Context(), root); code != 2 {
			t.Errorf("%q: %d\n%s", args, code, &said)
		}
	}
}
