// SPDX-License-Identifier: Apache-2.0

//go:build unix

package scratch

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// lock locks a directory for as long as held is open; it is not free if somebody has locked it.
func lock(dir string) (held *os.File, free bool, err error) {
	if held, err = os.Open(dir); err != nil {
		return nil, false, err
	}
	err = unix.Flock(int(held.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
		return nil, false, errors.Join(err, held.Close())
	}
	return held, err == nil, nil
}

// ours tells whether a directory is this user's.
func ours(e fs.DirEntry) bool {
	info, err := e.Info()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
