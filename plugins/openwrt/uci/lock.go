// SPDX-License-Identifier: Apache-2.0

package uci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lockInterval is how often a taken lock is tried again.
const lockInterval = 20 * time.Millisecond

// Lock takes the lock that keeps two of our processes from changing the configuration at once. It is held until
// release is called or the process dies.
func (d Dir) Lock(ctx context.Context) (release func() error, err error) {
	if err := os.MkdirAll(filepath.Dir(d.LockFile), 0o755); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	file, err := os.OpenFile(d.LockFile, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := flock(ctx, file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file.Close, nil
}

// lockConfig opens a configuration file and takes uci's own lock on it. uci replaces files, and so do we: whoever waited
// may hold the lock of a file that is gone, and tries again.
func lockConfig(ctx context.Context, path string) (*os.File, error) {
	for {
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		if err := flock(ctx, file); err != nil {
			return nil, errors.Join(err, file.Close())
		}
		same, err := stillAt(file, path)
		if err == nil && same {
			return file, nil
		}
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, err
		}
	}
}

func stillAt(file *os.File, path string) (bool, error) {
	held, err := file.Stat()
	if err != nil {
		return false, err
	}
	now, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	return os.SameFile(held, now), nil
}

func flock(ctx context.Context, file *os.File) error {
	tick := time.NewTicker(lockInterval)
	defer tick.Stop()
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the lock of %s: %w", file.Name(), ctx.Err())
		case <-tick.C:
		}
	}
}
