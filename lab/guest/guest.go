// SPDX-License-Identifier: Apache-2.0

// Package guest builds the images that the lab and the tests boot: a tiny vm from Debian's cloud kernel and busybox, and
// iPXE as a unikernel. They are test equipment: the vm's serial console is a root shell without a password.
//
// The vm boots in seconds without KVM in 128 MiB. It reads its name and its IPv6 addresses from a NoCloud seed, takes
// IPv4 from DHCP, and obeys the power button. On port 80 it answers / with its name and /cgi-bin/addresses with its own
// address list. Its first disk is mounted at /disk. User data that begins with #! is run.
package guest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// Packages are the Debian packages that Build needs; linux-image-cloud-amd64 is downloaded and unpacked, never
// installed.
var Packages = []string{"busybox-static", "dosfstools", "ipxe", "mtools", "qemu-utils", "syslinux", "syslinux-common"}

// Images are the paths of what was built.
type Images struct {
	DiskPath   string // qcow2, booted by firmware
	KernelPath string // a unikernel: iPXE, which runs its command line as a script
}

// Build returns the images below dir, and makes them if their inputs changed since they were last made. Several
// processes may build in one directory. Making them needs root for nothing, and Debian's archive for the kernel.
func Build(ctx context.Context, dir string, log *slog.Logger) (Images, error) {
	kernel, err := findKernel(ctx)
	if err != nil {
		return Images{}, err
	}
	key, err := inputKey(kernel)
	if err != nil {
		return Images{}, err
	}
	built := filepath.Join(dir, key)
	if _, err := os.Stat(built); errors.Is(err, fs.ErrNotExist) {
		log.Info("building the guest images", "kernel", kernel.String(), "dir", built)
		if err := makeInto(ctx, built, kernel); err != nil {
			return Images{}, err
		}
	} else if err != nil {
		return Images{}, fmt.Errorf("guest images: %w", err)
	}
	return Images{DiskPath: filepath.Join(built, diskName), KernelPath: filepath.Join(built, kernelName)}, nil
}

const (
	diskName   = "guest.qcow2"
	kernelName = "ipxe.lkrn"
)

// makeInto makes the images in a directory beside built and renames it, so that built is complete or absent.
func makeInto(ctx context.Context, built string, kernel debianPackage) (err error) {
	if err := os.MkdirAll(filepath.Dir(built), 0o755); err != nil {
		return fmt.Errorf("guest images: %w", err)
	}
	work, err := os.MkdirTemp(filepath.Dir(built), ".building-")
	if err != nil {
		return fmt.Errorf("guest images: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	out := filepath.Join(work, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		return fmt.Errorf("guest images: %w", err)
	}
	tree, err := kernel.unpack(ctx, work)
	if err != nil {
		return err
	}
	if err := makeDisk(ctx, work, tree, filepath.Join(out, diskName)); err != nil {
		return err
	}
	if err := copyFile(unikernelSource, filepath.Join(out, kernelName)); err != nil {
		return err
	}
	err = os.Rename(out, built)
	if errors.Is(err, fs.ErrExist) { // another process was faster
		return nil
	}
	return err
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("guest images: %w", err)
	}
	return os.WriteFile(to, content, 0o644)
}
