// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// initramfs returns the guest's root file system: a compressed cpio archive of the embedded files, busybox and modules.
func initramfs(tree kernelTree) ([]byte, error) {
	modules, err := loadOrder(tree)
	if err != nil {
		return nil, err
	}
	busybox, err := os.ReadFile(busyboxSource)
	if err != nil {
		return nil, fmt.Errorf("guest images: %w", err)
	}
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := cpio{to: zip, seen: map[string]bool{}}
	archive.file("bin/busybox", busybox)
	archive.link("bin/sh", "busybox")
	var order strings.Builder
	for _, m := range modules {
		archive.file("modules/"+m.name+".ko", m.content)
		fmt.Fprintln(&order, m.name+".ko")
	}
	archive.file("modules/order", []byte(order.String()))
	err = eachRootFile(func(name string, content []byte) error {
		archive.file(name, content)
		return archive.err
	})
	if err != nil {
		return nil, err
	}
	if err := archive.close(); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// cpio writes the archive format of the kernel's initramfs ("newc"). All files are executable and root's, without
// times, so that equal inputs give equal archives. The first error stays in err.
type cpio struct {
	to   io.Writer
	seen map[string]bool // directories
	next int             // inode
	err  error
}

func (c *cpio) file(name string, content []byte) {
	c.parents(name)
	c.entry(name, 0o100755, content)
}

func (c *cpio) link(name, target string) {
	c.parents(name)
	c.entry(name, 0o120777, []byte(target))
}

func (c *cpio) parents(name string) {
	dir := path.Dir(name)
	if dir == "." || c.seen[dir] {
		return
	}
	c.parents(dir)
	c.seen[dir] = true
	c.entry(dir, 0o040755, nil)
}

func (c *cpio) close() error {
	c.entry("TRAILER!!!", 0, nil)
	return c.err
}

func (c *cpio) entry(name string, mode int, content []byte) {
	if c.err != nil {
		return
	}
	c.next++
	head := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		c.next, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0, name)
	for _, part := range [][]byte{[]byte(head), content} {
		if _, c.err = c.to.Write(part); c.err != nil {
			return
		}
		if _, c.err = c.to.Write(make([]byte, -len(part)&3)); c.err != nil {
			return
		}
	}
}
