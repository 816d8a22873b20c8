// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// lockPatience is how long Open waits for a process that is about to end.
const lockPatience = 5 * time.Second

// lock makes this process the only one that uses the database at path: a core that starts takes over what another one
// was doing, so there must be no other one. The kernel drops the lock with the process, however it ends.
func lock(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, failed("cannot make the database's lock file", err)
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(failed("cannot lock the database", err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fault.New(fault.Busy, "another process uses the database %s", path), f.Close())
		case <-again.C:
		}
	}
}
