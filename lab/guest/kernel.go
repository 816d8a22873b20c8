// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// debianPackage is one version of a package in Debian's archive.
type debianPackage struct {
	name, version string
}

// String is how apt-get wants it.
func (p debianPackage) String() string { return p.name + "=" + p.version }

// kernelMeta depends on the newest cloud kernel that the machine's package lists know.
const kernelMeta = "linux-image-cloud-amd64"

var kernelDependency = regexp.MustCompile(`(?m)^Depends:.*\b(linux-image-\S+-cloud-amd64) \(= ([^)]+)\)`)

// findKernel asks the machine's package lists, without touching the network.
func findKernel(ctx context.Context) (debianPackage, error) {
	out, err := run(ctx, "", "apt-cache", "--no-all-versions", "show", kernelMeta)
	if err != nil {
		return debianPackage{}, fmt.Errorf("%w (run apt-get update)", err)
	}
	found := kernelDependency.FindSubmatch(out)
	if found == nil {
		return debianPackage{}, fmt.Errorf("guest images: %s names no kernel package", kernelMeta)
	}
	return debianPackage{name: string(found[1]), version: string(found[2])}, nil
}

// kernelTree is an unpacked kernel package.
type kernelTree struct {
	image   string // path of vmlinuz
	modules string // path of lib/modules/VERSION
}

// unpack downloads the package below dir, checked by apt against Debian's signatures, and unpacks it there.
func (p debianPackage) unpack(ctx context.Context, dir string) (kernelTree, error) {
	// As its own user apt may not write here, and would only say so.
	if _, err := run(ctx, dir, "apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", p.String()); err != nil {
		return kernelTree{}, fmt.Errorf("%w (run apt-get update)", err)
	}
	archive, err := single(filepath.Join(dir, p.name+"_*.deb"))
	if err != nil {
		return kernelTree{}, err
	}
	root := filepath.Join(dir, "kernel")
	if _, err := run(ctx, dir, "dpkg-deb", "-x", archive, root); err != nil {
		return kernelTree{}, err
	}
	if err := os.Remove(archive); err != nil {
		return kernelTree{}, fmt.Errorf("guest images: %w", err)
	}
	image, err := single(filepath.Join(root, "boot", "vmlinuz-*"))
	if err != nil {
		return kernelTree{}, err
	}
	modules, err := single(filepath.Join(root, "lib", "modules", "*"))
	return kernelTree{image: image, modules: modules}, err
}

// single returns the one path that matches.
func single(pattern string) (string, error) {
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("guest images: %d files match %s, want one (%w)", len(found), pattern, err)
	}
	return found[0], nil
}
