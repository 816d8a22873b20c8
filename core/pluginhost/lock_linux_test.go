// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"os"
	"path/filepath"
	"testing"
)

// What a core left that was killed goes with the next start; cells of one that lives stay, and so does all else.
func TestCellsOfADeadCoreAreSwept(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dead, err := newCell(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dead.plugin(), []byte("program"), 0o500); err != nil {
		t.Fatal(err)
	}
	if err := dead.lock.Close(); err != nil { // as the kernel does
		t.Fatal(err)
	}
	alive, err := newCell(0)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(os.TempDir(), cellPrefix+"other")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, filepath.Join(os.TempDir(), cellPrefix+"link")); err != nil {
		t.Fatal(err)
	}
	if err := sweepCells(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead.dir); !os.IsNotExist(err) {
		t.Errorf("the cell of a dead core: %v", err)
	}
	for _, dir := range []string{alive.home(), other, filepath.Join(os.TempDir(), cellPrefix+"link")} {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
	if err := alive.close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(alive.dir); !os.IsNotExist(err) {
		t.Errorf("a closed cell: %v", err)
	}
}
