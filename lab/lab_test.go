// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/rhyzome/rhyzome/lab"
)

// TestForeignDirectory: a lab removes everything in its directory, so it takes only one that is empty or a lab's.
func TestForeignDirectory(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine")
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := lab.New(dir, t.TempDir(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Down(t.Context()); err == nil {
		t.Error("down took a directory that is not a lab's")
	}
	if err := l.Up(t.Context()); err == nil {
		t.Error("up took a directory that is not a lab's")
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
	if err := os.Remove(mine); err != nil {
		t.Fatal(err)
	}
	if err := l.Down(t.Context()); err != nil {
		t.Errorf("an empty directory: %v", err)
	}
}
