// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	virt "libvirt.org/go/libvirt"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// makeDisk makes the root disk of a vm: a qcow2 overlay on the cached image. One that is there already holds the guest's
// data: it is kept, and grown if more is asked for.
func (b *backend) makeDisk(ctx context.Context, d *domain, spec provider.InstanceSpec) error {
	base := b.images.path(spec.Image.SHA256)
	least, err := diskSize(base, spec.Image.Format)
	if err != nil {
		return err
	}
	size := spec.DiskBytes
	if size == 0 {
		size = least
	}
	if size < least {
		return fault.Invalid("/disk_bytes", "must be at least %d, the size of the image", least)
	}
	path := b.instanceFile(spec.ID, overlayFile)
	existing, err := readOverlay(path)
	if errors.Is(err, fs.ErrNotExist) {
		return placeFile(path, func(part string) error {
			err := qemuImg(ctx, "create", "-q", "-f", "qcow2", "-b", base, "-F", string(spec.Image.Format),
				part, strconv.FormatInt(size, 10))
			if err != nil {
				return err
			}
			return os.Chmod(part, 0o600) // libvirt gives it to QEMU's user
		})
	}
	switch {
	case err != nil:
		return err
	case existing.BackingFile != base:
		return fault.Invalid("/image/sha256", "the disk stands on another image (%s); this cannot be changed", filepath.Base(existing.BackingFile))
	case size < existing.VirtualSize && spec.DiskBytes != 0:
		return fault.Invalid("/disk_bytes", "must be at least %d, the size of the disk", existing.VirtualSize)
	case size > existing.VirtualSize:
		return d.grow(ctx, path, size)
	}
	return nil
}

// grow makes the root disk larger, with the guest running or not.
func (d *domain) grow(ctx context.Context, path string, size int64) error {
	active, err := d.IsActive()
	if err != nil {
		return err
	}
	if active {
		return d.BlockResize("vda", uint64(size), virt.DOMAIN_BLOCK_RESIZE_BYTES)
	}
	return qemuImg(ctx, "resize", "-q", "-f", "qcow2", path, strconv.FormatInt(size, 10))
}

// diskSize is the size of the disk that an image holds. The image's header is checked whenever it is used: the same
// content may have been stored under another format's name.
func diskSize(path string, format provider.ImageFormat) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if format == provider.ImageRaw {
		info, err := f.Stat()
		if err != nil {
			return 0, err
		}
		const sector = 512
		return (info.Size() + sector - 1) / sector * sector, nil
	}
	header, err := readQCOW2(f)
	if err == nil {
		err = header.standsAlone()
	}
	if err != nil {
		return 0, fault.Invalid("/image/sha256", "%v", err)
	}
	return header.VirtualSize, nil
}

func readOverlay(path string) (qcow2Header, error) {
	f, err := os.Open(path)
	if err != nil {
		return qcow2Header{}, err
	}
	defer f.Close()
	return readQCOW2(f)
}

// qemuImg runs the tool; what it says goes into the fault.
func qemuImg(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "qemu-img", args...).CombinedOutput()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return fault.New(fault.BackendRefused, "qemu-img is not installed on the host")
	}
	return &fault.Error{Code: fault.BackendRefused.Code(), Reason: fault.BackendRefused,
		Message: "qemu-img " + args[0] + ": " + string(bytes.TrimSpace(out)), Err: err}
}
