// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// lockFile of a cell is locked as long as its core lives.
const lockFile = "lock"

// lockCell locks a cell. The file has its name when it is locked, so that nobody finds it in between.
func lockCell(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "."+lockFile), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, lockFile))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// sweepCells removes the cells that cores of this user left which were killed.
func sweepCells() error {
	cells, err := filepath.Glob(filepath.Join(os.TempDir(), cellPrefix+"*"))
	for _, dir := range cells {
		err = errors.Join(err, sweepCell(dir))
	}
	return err
}

func sweepCell(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || int(info.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
		return nil // it is gone, or no cell of ours
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // something else, or not begun yet
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return nil // its core lives
	}
	return os.RemoveAll(dir)
}
