// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// partSuffix ends the names of files that are being written.
const partSuffix = ".part"

// placeFile makes a file that is complete and on disk, or absent: write fills a part beside it, which is then renamed.
func placeFile(path string, write func(part string) error) error {
	part := path + partSuffix
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := write(part); err != nil {
		return errors.Join(err, os.RemoveAll(part))
	}
	if err := syncPath(part); err != nil {
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	return syncPath(filepath.Dir(path))
}

// syncPath brings a file's content, or a directory's names, to the disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// copyFile copies content that QEMU's user may come to own, so that it never owns the original.
func copyFile(ctx context.Context, from, to string) error {
	return placeFile(to, func(part string) error {
		in, err := os.Open(from)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, untilDone{ctx, in})
		return errors.Join(err, out.Close())
	})
}

// untilDone reads until its context ends.
type untilDone struct {
	ctx  context.Context
	from io.Reader
}

func (r untilDone) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(p)
}

// full turns "no space left" into a fault.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &fault.Error{Code: fault.NoCapacity.Code(), Reason: fault.NoCapacity, Message: "the host's disk is full", Err: err}
	}
	return err
}
