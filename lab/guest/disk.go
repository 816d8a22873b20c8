// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const bootConfig = `DEFAULT guest
LABEL guest
  KERNEL vmlinuz
  INITRD initrd.gz
  APPEND console=ttyS0 quiet panic=5
`

// makeDisk writes a bootable disk: one FAT file system with syslinux, kernel and initramfs, made by file tools alone,
// without mounts or loop devices.
func makeDisk(ctx context.Context, work string, tree kernelTree, to string) error {
	initrd, err := initramfs(tree)
	if err != nil {
		return err
	}
	kernel, err := os.ReadFile(tree.image)
	if err != nil {
		return fmt.Errorf("guest images: %w", err)
	}
	loader, err := os.ReadFile(bootModule)
	if err != nil {
		return fmt.Errorf("guest images: %w", err)
	}
	disk := filepath.Join(work, "disk.img")
	size := (len(kernel)+len(initrd)+len(loader))>>10 + 4<<10 // KiB
	if _, err := run(ctx, work, "mkfs.vfat", "-C", "--invariant", "-n", "LABGUEST", disk, strconv.Itoa(size)); err != nil {
		return err
	}
	files := []struct {
		name    string
		content []byte
	}{{"vmlinuz", kernel}, {"initrd.gz", initrd}, {"ldlinux.c32", loader}, {"syslinux.cfg", []byte(bootConfig)}}
	for _, file := range files {
		if err := addFile(ctx, work, disk, file.name, file.content); err != nil {
			return err
		}
	}
	if _, err := run(ctx, work, bootLoader, "--install", disk); err != nil {
		return err
	}
	_, err = run(ctx, work, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", disk, to)
	return err
}

// addFile puts a file into the FAT file system, with a fixed time.
func addFile(ctx context.Context, work, disk, name string, content []byte) error {
	path := filepath.Join(work, name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return fmt.Errorf("guest images: %w", err)
	}
	epoch := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(path, epoch, epoch); err != nil {
		return fmt.Errorf("guest images: %w", err)
	}
	_, err := run(ctx, work, "mcopy", "-m", "-i", disk, path, "::"+name)
	return err
}
