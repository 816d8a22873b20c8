// SPDX-License-Identifier: Apache-2.0

package scratch

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// prefixVariable makes this test's program a process that makes a directory, says which, and waits for its end.
const prefixVariable = "RHYZOME_SCRATCH_TEST"

func TestMain(m *testing.M) {
	prefix := os.Getenv(prefixVariable)
	if prefix == "" {
		os.Exit(m.Run())
	}
	dir, _, err := Make(prefix)
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(dir + "\n")
	bufio.NewReader(os.Stdin).ReadString('\n')
}

func TestWhatADeadProcessLeft(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	other := exec.CommandContext(t.Context(), os.Args[0])
	other.Env = append(os.Environ(), prefixVariable+"=rhyzome-test-")
	input, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	output, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(output)
	if !lines.Scan() {
		t.Fatal("the other process makes no directory")
	}
	theirs := lines.Text()
	if err := os.WriteFile(filepath.Join(theirs, "key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(os.TempDir(), "foreign")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}

	first, removeFirst, err := Make("rhyzome-test-")
	if err != nil {
		t.Fatal(err)
	}
	there(t, theirs, first)
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait() // says that it was killed
	second, removeSecond, err := Make("rhyzome-test-")
	if err != nil {
		t.Fatal(err)
	}
	there(t, first, second, foreign)
	if _, err := os.Stat(theirs); !os.IsNotExist(err) {
		t.Errorf("what the killed process left: %v", err)
	}
	for _, remove := range []func() error{removeFirst, removeSecond} {
		if err := remove(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func there(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
}
