// SPDX-License-Identifier: Apache-2.0

package uci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestReplayKeepsModeLinkAndForeignText(t *testing.T) {
	d := newDir(t)
	flash := filepath.Join(t.TempDir(), "flash")
	writeFile(t, flash, owner, 0o640)
	if err := os.Symlink(flash, filepath.Join(d.Path, "network")); err != nil {
		t.Fatal(err)
	}
	replay(t, d, "network", web())
	info, err := os.Lstat(filepath.Join(d.Path, "network"))
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	if mode(t, flash) != 0o640 {
		t.Errorf("mode %o", mode(t, flash))
	}
	if got := readFile(t, flash); !strings.HasPrefix(got, owner) || !strings.Contains(got, "'rz_web'") {
		t.Errorf("%q", got)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(flash), ".rhyzome-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAFileWithSecretsIsUnreadableToOthers(t *testing.T) {
	d := newDir(t)
	writeFile(t, filepath.Join(d.Path, "network"), owner, 0o644)
	s := web()
	s.Set("private_key", "c2VjcmV0")
	replay(t, d, "network", s)
	if m := mode(t, filepath.Join(d.Path, "network")); m != 0o600 {
		t.Errorf("mode %o", m)
	}
}

func TestAMissingFileIsMade(t *testing.T) {
	d := newDir(t)
	replay(t, d, "dhcp", web())
	if m := mode(t, filepath.Join(d.Path, "dhcp")); m != 0o600 {
		t.Errorf("mode %o", m)
	}
}

func TestWhatCannotBeCutIsNotTouched(t *testing.T) {
	d := newDir(t)
	path := filepath.Join(d.Path, "network")
	writeFile(t, path, owner+"config broken 'x\n", 0o600)
	err := d.Replay(t.Context(), "network", []Change{{Section: "rz_web", After: "config interface 'rz_web'\n"}})
	var syntax *SyntaxError
	if !errors.As(err, &syntax) || syntax.Line != 1+strings.Count(owner, "\n") {
		t.Errorf("%v", err)
	}
	if readFile(t, path) != owner+"config broken 'x\n" {
		t.Error("the file changed")
	}
}

func TestChangesThatAreNotWhatTheySayAreRefused(t *testing.T) {
	for _, text := range []string{
		"config interface 'lan'\n", "config interface 'rz_web'\n\nconfig rule 'evil'\n", "config interface 'rz_web\n", "nonsense\n",
	} {
		d := newDir(t)
		writeFile(t, filepath.Join(d.Path, "network"), owner, 0o600)
		if err := d.Replay(t.Context(), "network", []Change{{Section: "rz_web", After: text}}); err == nil {
			t.Errorf("%q was written", text)
		}
		if readFile(t, filepath.Join(d.Path, "network")) != owner {
			t.Errorf("%q: the file changed", text)
		}
	}
}

func TestAnOverrideIsRefused(t *testing.T) {
	d := newDir(t)
	writeFile(t, filepath.Join(d.Overrides, "network"), "", 0o600)
	err := d.Replay(t.Context(), "network", []Change{{Section: "rz_web", After: "config interface 'rz_web'\n"}})
	var overridden *OverriddenError
	if !errors.As(err, &overridden) {
		t.Errorf("%v", err)
	}
}

func TestSweepRemovesWhatACrashLeft(t *testing.T) {
	d := newDir(t)
	writeFile(t, filepath.Join(d.Path, ".rhyzome-123"), "secret", 0o600)
	writeFile(t, filepath.Join(d.Path, ".other"), "", 0o600)
	if err := d.Sweep(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(d.Path, ".*")); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

func TestLocksWaitAndGiveUp(t *testing.T) {
	d := newDir(t)
	release, err := d.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := d.Lock(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second lock: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	release, err = d.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
}

// TestALockOfAFileThatIsGoneIsNotEnough lets a writer wait for a file that is replaced meanwhile.
func TestALockOfAFileThatIsGoneIsNotEnough(t *testing.T) {
	path := filepath.Join(t.TempDir(), "network")
	writeFile(t, path, "old", 0o600)
	first, err := lockConfig(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	locked := make(chan *os.File)
	go func() {
		second, err := lockConfig(t.Context(), path)
		if err != nil {
			t.Error(err)
		}
		locked <- second
	}()
	for openFiles(t, path) < 2 {
		<-time.After(time.Millisecond)
	}
	if err := write(path, "new", false); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := <-locked
	defer second.Close()
	if same, err := stillAt(second, path); !same || err != nil {
		t.Errorf("the lock is that of the old file: %v", err)
	}
}

// openFiles counts how often this process has the file open.
func openFiles(t *testing.T, path string) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, fd := range fds {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && target == path {
			n++
		}
	}
	return n
}

func TestALostUpdateIsSeen(t *testing.T) {
	d := newDir(t)
	writeFile(t, filepath.Join(d.Path, "network"), owner, 0o600)
	elsewhere := filepath.Join(t.TempDir(), "network") // what is written there does not arrive
	writeFile(t, elsewhere, "", 0o600)
	err := d.replace(elsewhere, "network", []Change{{Section: "rz_web", After: "config interface 'rz_web'\n"}})
	var lost *LostUpdateError
	if !errors.As(err, &lost) {
		t.Errorf("%v", err)
	}
}

// TestWritersTogether lets two writers of ours and an owner, who honours uci's lock, change one file: nothing is lost.
func TestWritersTogether(t *testing.T) {
	const each = 15
	d := newDir(t)
	path := filepath.Join(d.Path, "network")
	writeFile(t, path, owner, 0o600)
	var all sync.WaitGroup
	for writer := range 2 {
		all.Go(func() {
			for i := range each {
				name := fmt.Sprintf("rz_%d_%d", writer, i)
				if err := d.Replay(t.Context(), "network", []Change{{Section: name, After: "config interface '" + name + "'\n"}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Go(func() {
		for i := range each {
			if err := appendLocked(t.Context(), path, fmt.Sprintf("\nconfig rule\n\toption n '%d'\n", i)); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	f, err := d.Load("network")
	if err != nil {
		t.Fatal(err)
	}
	rules := 0
	for _, s := range f.Foreign() {
		if s.Type == "rule" {
			rules++
		}
	}
	if len(f.Names()) != 2*each || rules != each || !strings.HasPrefix(f.Text(), owner) {
		t.Errorf("%d sections of ours, %d of the owner's", len(f.Names()), rules)
	}
}

// appendLocked changes the file as uci does: under the lock, by rename.
func appendLocked(ctx context.Context, path, text string) error {
	lock, err := lockConfig(ctx, path)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(path)
	if err == nil {
		err = write(path, string(content)+text, false)
	}
	return errors.Join(err, lock.Close())
}

func newDir(t *testing.T) Dir {
	root := t.TempDir()
	d := Dir{
		Path: filepath.Join(root, "config"), Overrides: filepath.Join(root, "run"), Staged: filepath.Join(root, "staged"),
		LockFile: filepath.Join(root, "lock", "uci.lock"), Owned: ours,
	}
	for _, p := range []string{d.Path, d.Overrides, d.Staged} {
		if err := os.Mkdir(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func replay(t *testing.T, d Dir, file string, s Section) {
	t.Helper()
	f, err := d.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	set(t, f, s)
	if err := d.Replay(t.Context(), file, f.Changes()); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}
