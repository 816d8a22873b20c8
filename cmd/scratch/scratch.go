// SPDX-License-Identifier: Apache-2.0

// Package scratch makes directories that live as long as their process. What a process that was killed left, the next one
// removes.
package scratch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// unborn begins the name of a directory that nobody has locked yet, and so nobody may sweep.
const unborn = "new-"

// Make makes a directory whose name begins with prefix, and removes those of dead processes. remove removes it.
func Make(prefix string) (dir string, remove func() error, err error) {
	if err := sweep(prefix); err != nil {
		return "", nil, err
	}
	fresh, err := os.MkdirTemp("", unborn+prefix)
	if err != nil {
		return "", nil, err
	}
	held, _, err := lock(fresh)
	if err != nil {
		return "", nil, errors.Join(err, os.Remove(fresh))
	}
	dir = filepath.Join(filepath.Dir(fresh), strings.TrimPrefix(filepath.Base(fresh), unborn))
	if err := os.Rename(fresh, dir); err != nil {
		return "", nil, errors.Join(err, held.Close(), os.Remove(fresh))
	}
	return dir, func() error { return errors.Join(os.RemoveAll(dir), held.Close()) }, nil
}

func sweep(prefix string) error {
	entries, err := os.ReadDir(os.TempDir())
	if err != nil {
		return err
	}
	var wrong []error
	for _, e := range entries {
		path := filepath.Join(os.TempDir(), e.Name())
		if !strings.HasPrefix(e.Name(), prefix) || !e.IsDir() || !ours(e) {
			continue
		}
		held, free, err := lock(path)
		if err != nil {
			continue // another sweeps it
		}
		if free {
			wrong = append(wrong, os.RemoveAll(path))
		}
		wrong = append(wrong, held.Close())
	}
	return errors.Join(wrong...)
}
