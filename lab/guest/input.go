// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
)

// Files of the Debian packages that end up in the images.
const (
	busyboxSource   = "/bin/busybox"
	unikernelSource = "/usr/lib/ipxe/ipxe.lkrn"
	bootLoader      = "/usr/bin/syslinux"
	bootModule      = "/usr/lib/syslinux/modules/bios/ldlinux.c32"
)

// recipe is raised when the way of building changes while its inputs do not.
const recipe = "1"

//go:embed rootfs
var rootfs embed.FS

// inputKey names the images by everything that they are made of.
func inputKey(kernel debianPackage) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, recipe, kernel)
	for _, path := range []string{busyboxSource, unikernelSource, bootLoader, bootModule} {
		content, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("guest images: %w (install %v)", err, Packages)
		}
		if path == busyboxSource {
			if err := checkStatic(content); err != nil {
				return "", err
			}
		}
		fmt.Fprintf(sum, "%s %x\n", path, sha256.Sum256(content))
	}
	err := eachRootFile(func(name string, content []byte) error {
		_, err := fmt.Fprintf(sum, "%s %x\n", name, sha256.Sum256(content))
		return err
	})
	return hex.EncodeToString(sum.Sum(nil))[:16], err
}

// checkStatic refuses a busybox that needs a loader: package busybox instead of busybox-static.
func checkStatic(busybox []byte) error {
	program, err := elf.NewFile(bytes.NewReader(busybox))
	if err != nil {
		return fmt.Errorf("guest images: %s: %w", busyboxSource, err)
	}
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP {
			return fmt.Errorf("guest images: %s is not static; install busybox-static", busyboxSource)
		}
	}
	return nil
}

// eachRootFile calls do for every embedded file, in order of their names, which have no leading slash.
func eachRootFile(do func(name string, content []byte) error) error {
	root, err := fs.Sub(rootfs, "rootfs")
	if err != nil {
		return err
	}
	return fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		return do(name, content)
	})
}

// run executes a program and returns its standard output. Its complaints become part of the error.
func run(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	var complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SOURCE_DATE_EPOCH=315532800")
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		text, _ := io.ReadAll(io.LimitReader(&complaints, 2000))
		return nil, fmt.Errorf("guest images: %s: %w: %s", name, err, bytes.TrimSpace(text))
	}
	return out, nil
}
