// SPDX-License-Identifier: Apache-2.0

package uci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Dir is a configuration directory, and the places where uci keeps what belongs to it.
type Dir struct {
	Path      string // /etc/config
	Overrides string // /var/run/uci: uci reads a file there instead of the one in Path
	Staged    string // /tmp/.uci: changes that somebody has made and not committed
	LockFile  string
	Owned     func(section string) bool
}

// OverriddenError says that uci reads a file from elsewhere, so that changing it in Dir.Path would do nothing.
type OverriddenError struct{ File string }

// Error names the file that is in the way.
func (e *OverriddenError) Error() string {
	return fmt.Sprintf("uci reads %s instead of the file in its configuration directory", e.File)
}

// LostUpdateError says that somebody else replaced the file while it was written.
type LostUpdateError struct{ File string }

// Error names the file.
func (e *LostUpdateError) Error() string {
	return fmt.Sprintf("something else wrote %s at the same time, and our sections are gone", e.File)
}

// Load reads one file. One that does not exist is empty.
func (d Dir) Load(name string) (*File, error) {
	text, err := os.ReadFile(filepath.Join(d.Path, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return Parse(name, string(text), d.Owned)
}

// HasStaged reports whether somebody's changes of a file wait for a commit.
func (d Dir) HasStaged(name string) bool {
	info, err := os.Stat(filepath.Join(d.Staged, name))
	return err == nil && info.Size() > 0
}

// Replay makes changes in one file, under uci's lock, on what the file holds by then. The file is replaced as a whole,
// so that a reader and a power cut see the old text or the new one.
func (d Dir) Replay(ctx context.Context, name string, changes []Change) error {
	if len(changes) == 0 {
		return nil
	}
	if _, err := os.Stat(filepath.Join(d.Overrides, name)); err == nil {
		return &OverriddenError{File: filepath.Join(d.Overrides, name)}
	}
	path, err := d.ensure(name)
	if err != nil {
		return err
	}
	lock, err := lockConfig(ctx, path)
	if err != nil {
		return err
	}
	err = d.replace(path, name, changes)
	return errors.Join(err, lock.Close())
}

// ensure returns the real path of a file, which it makes if there is none.
func (d Dir) ensure(name string) (string, error) {
	path := filepath.Join(d.Path, name)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", err
	}
	if err := file.Close(); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

func (d Dir) replace(path, name string, changes []Change) error {
	f, err := d.Load(name)
	if err != nil {
		return err
	}
	before := f.foreign()
	f.Replay(changes)
	text := f.Text()
	if err := d.check(name, text, before, changes); err != nil {
		return err
	}
	if err := write(path, text, secret(f)); err != nil {
		return err
	}
	after, err := d.Load(name)
	if err != nil {
		return err
	}
	if !after.Holds(changes) {
		return &LostUpdateError{File: path}
	}
	return nil
}

// check proves a text before it is written: it can be read, it holds the changes, and what is not ours is as before.
func (d Dir) check(name, text, foreign string, changes []Change) error {
	f, err := Parse(name, text, d.Owned)
	if err != nil {
		return fmt.Errorf("the new text: %w", err)
	}
	if now := f.foreign(); now != foreign && now != foreign+"\n" {
		return fmt.Errorf("the new text of %s would change what is not ours", name)
	}
	if !f.Holds(changes) {
		return fmt.Errorf("the new text of %s does not hold the changes", name)
	}
	return nil
}

// secret reports whether a file holds what only root may read.
func secret(f *File) bool {
	return slices.ContainsFunc(f.Sections(), func(s Section) bool {
		return s.Get("private_key") != "" || s.Get("preshared_key") != ""
	})
}

// write replaces a file by way of a temporary one beside it, whose name uci ignores. Owner and mode stay as they are,
// but a file with secrets of ours becomes unreadable to others.
func write(path, text string, private bool) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	mode := info.Mode().Perm()
	if private {
		mode = 0o600
	}
	temp, err := os.CreateTemp(filepath.Dir(path), tempPrefix+"*")
	if err != nil {
		return err
	}
	err = errors.Join(fill(temp, text, mode, info.Sys()), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return syncDir(filepath.Dir(path))
}

const tempPrefix = ".rhyzome-"

// Sweep removes what a process left that died while it wrote. The caller holds the lock.
func (d Dir) Sweep() error {
	left, err := filepath.Glob(filepath.Join(d.Path, tempPrefix+"*"))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

func fill(temp *os.File, text string, mode fs.FileMode, owner any) error {
	if _, err := temp.WriteString(text); err != nil {
		return err
	}
	if st, ok := owner.(*syscall.Stat_t); ok {
		if err := temp.Chown(int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	if err := temp.Chmod(mode); err != nil {
		return err
	}
	return temp.Sync()
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(unix.Fsync(int(dir.Fd())), dir.Close())
}
