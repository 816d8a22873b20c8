// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// content is a directory of files named by their SHA-256. A file that has such a name is whole: it was checked, synced
// and renamed.
type content struct {
	dir string
}

const partPrefix = "part-"

var digest = regexp.MustCompile(`^[0-9a-f]{64}$`)

func isDigest(s string) bool { return digest.MatchString(s) }

// open makes the directory and removes the parts of dead processes.
func (c content) open() error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("image directory: %w", err)
	}
	parts, err := filepath.Glob(filepath.Join(c.dir, partPrefix+"*"))
	if err != nil {
		return fmt.Errorf("image directory: %w", err)
	}
	for _, p := range parts {
		if err := os.Remove(p); err != nil {
			return fmt.Errorf("remove a part of an image: %w", err)
		}
	}
	return nil
}

// list returns the digests of what is there.
func (c content) list() ([]string, error) {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, fmt.Errorf("list image content: %w", err)
	}
	var all []string
	for _, e := range entries {
		if isDigest(e.Name()) {
			all = append(all, e.Name())
		}
	}
	return all, nil
}

// read opens content at an offset.
func (c content) read(sha256 string, offset int64) (io.ReadCloser, error) {
	unknown := fault.New(fault.UnknownResource, "there is no image content %q", sha256)
	if !isDigest(sha256) {
		return nil, unknown
	}
	f, err := os.Open(c.path(sha256))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, unknown
	}
	if err != nil {
		return nil, fmt.Errorf("open image content: %w", err)
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		f.Close()
		return nil, fmt.Errorf("open image content at %d: %w", offset, err)
	}
	return f, nil
}

// remove removes content; nothing is fine.
func (c content) remove(sha256 string) error {
	if err := os.Remove(c.path(sha256)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove image content: %w", err)
	}
	return nil
}

func (c content) path(sha256 string) string { return filepath.Join(c.dir, sha256) }

// part is content that was received whole, but does not count yet.
type part struct {
	path, dir, sha256 string
	size              int64
	disk              int64 // that a guest sees
}

// receive writes content to a part on the disk, checking its format on the way. What cannot be used leaves no part.
func (c content) receive(ctx context.Context, format string, from io.Reader) (*part, error) {
	f, err := os.CreateTemp(c.dir, partPrefix)
	if err != nil {
		return nil, fmt.Errorf("receive image content: %w", err)
	}
	p := &part{path: f.Name(), dir: c.dir}
	err = errors.Join(p.fill(ctx, f, format, from), f.Close())
	if errors.Is(err, syscall.ENOSPC) {
		err = fault.New(fault.NoCapacity, "the core's disk has no room for the image; free some, then upload it again")
	}
	if err != nil {
		p.discard()
		return nil, err
	}
	return p, nil
}

func (p *part) fill(ctx context.Context, f *os.File, format string, from io.Reader) error {
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), reader{ctx, from})
	if err != nil {
		return fmt.Errorf("receive image content: %w", err)
	}
	if n == 0 {
		return fault.Invalid("/content", "the content is empty; send the image's bytes as the body")
	}
	p.size, p.sha256 = n, hex.EncodeToString(sum.Sum(nil))
	if p.disk, err = inspect(f, format, n); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync image content: %w", err)
	}
	return nil
}

// place gives the part its name. It may be repeated; content that is there already is the same.
func (p *part) place() error {
	if err := os.Rename(p.path, filepath.Join(p.dir, p.sha256)); err != nil {
		return fmt.Errorf("place image content: %w", err)
	}
	d, err := os.Open(p.dir)
	if err != nil {
		return fmt.Errorf("place image content: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync the image directory: %w", err)
	}
	return nil
}

// discard removes the part if it has not been placed. What stays is removed at the next start.
func (p *part) discard() {
	_ = os.Remove(p.path)
}

// reader ends with its context.
type reader struct {
	ctx  context.Context
	from io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(b)
}
