// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// imageCache keeps content in a directory. Of each there are SHA256.json, which says what it is to be, and either
// SHA256, complete and checked, or SHA256.part.
type imageCache struct {
	dir string

	// using is held for reading by who makes an instance stand on an image, and for writing by who removes one.
	using sync.RWMutex

	mu   sync.Mutex
	busy map[string]bool // by digest
}

const refSuffix = ".json"

func newImageCache(dir string) *imageCache { return &imageCache{dir: dir, busy: map[string]bool{}} }

func (c *imageCache) path(sha256 string) string { return filepath.Join(c.dir, sha256) }

// enter admits one writer for each content. The caller must call leave.
func (c *imageCache) enter(sha256 string) (leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy[sha256] {
		return nil, fault.New(fault.Busy, "the image %s is being worked on", sha256)
	}
	c.busy[sha256] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.busy, sha256)
	}, nil
}

func (c *imageCache) get(sha256 string) (provider.Image, error) {
	text, err := os.ReadFile(c.path(sha256) + refSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return provider.Image{}, noImage(sha256)
	}
	if err != nil {
		return provider.Image{}, err
	}
	var i provider.Image
	if err := json.Unmarshal(text, &i.ImageRef); err != nil {
		return provider.Image{}, err
	}
	info, err := os.Stat(c.path(sha256))
	i.Ready = err == nil
	if errors.Is(err, fs.ErrNotExist) {
		info, err = os.Stat(c.path(sha256) + partSuffix)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return i, nil // the process ended before the first byte
	}
	if err != nil {
		return provider.Image{}, err
	}
	i.OffsetBytes = info.Size()
	return i, nil
}

func (c *imageCache) list() ([]provider.Image, error) {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, err
	}
	var images []provider.Image
	for _, entry := range entries {
		sum, ok := strings.CutSuffix(entry.Name(), refSuffix)
		if !ok {
			continue
		}
		i, err := c.get(sum)
		if isNoObject(err) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		images = append(images, i)
	}
	return images, nil
}

// remove takes the reference last: what is left without content is seen, and taken again.
func (c *imageCache) remove(sha256 string) error {
	path := c.path(sha256)
	for _, name := range []string{path, path + partSuffix, path + refSuffix} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (c *imageCache) put(ctx context.Context, ref provider.ImageRef, offset int64, content io.Reader) (provider.Image, error) {
	now, err := c.get(ref.SHA256)
	switch {
	case isNoObject(err):
	case err != nil:
		return provider.Image{}, err
	case now.Ready:
		return now, nil
	}
	if offset != now.OffsetBytes {
		return provider.Image{}, fault.New(fault.BadState, "%d bytes of the image are here, not %d", now.OffsetBytes, offset)
	}
	if err := c.writeRef(ref); err != nil {
		return provider.Image{}, err
	}
	have, sum, err := c.receive(ctx, ref, content)
	if err != nil || have < ref.SizeBytes {
		return provider.Image{ImageRef: ref, OffsetBytes: have}, err
	}
	if err := c.check(ref, have, sum); err != nil {
		return provider.Image{}, errors.Join(err, c.remove(ref.SHA256))
	}
	part := c.path(ref.SHA256) + partSuffix
	if err := os.Rename(part, c.path(ref.SHA256)); err != nil {
		return provider.Image{}, err
	}
	if err := syncPath(c.dir); err != nil {
		return provider.Image{}, err
	}
	return provider.Image{ImageRef: ref, OffsetBytes: ref.SizeBytes, Ready: true}, nil
}

func (c *imageCache) writeRef(ref provider.ImageRef) error {
	text, err := json.Marshal(ref)
	if err != nil {
		return err
	}
	return placeFile(c.path(ref.SHA256)+refSuffix, func(part string) error { return os.WriteFile(part, text, 0o644) })
}

// receive appends to the part, and returns the size and the digest of all of it. QEMU's user reads the file, and does
// not own it.
func (c *imageCache) receive(ctx context.Context, ref provider.ImageRef, content io.Reader) (int64, hash.Hash, error) {
	part, err := os.OpenFile(c.path(ref.SHA256)+partSuffix, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return 0, nil, err
	}
	sum := sha256.New()
	have, err := io.Copy(sum, untilDone{ctx, part})
	if err == nil {
		// One byte more than promised is enough to know.
		rest := io.LimitReader(content, ref.SizeBytes-have+1)
		var added int64
		added, err = io.Copy(io.MultiWriter(part, sum), untilDone{ctx, rest})
		have += added
	}
	return have, sum, errors.Join(err, part.Sync(), part.Close())
}

// check says whether the part is what was promised, and safe to use.
func (c *imageCache) check(ref provider.ImageRef, have int64, sum hash.Hash) error {
	part, err := os.Open(c.path(ref.SHA256) + partSuffix)
	if err != nil {
		return err
	}
	defer part.Close()
	if got := hex.EncodeToString(sum.Sum(nil)); got != ref.SHA256 || have != ref.SizeBytes {
		return fault.New(fault.DigestMismatch, "the content has the digest %s, and %d bytes or more", got, have)
	}
	if ref.Format != provider.ImageQCOW2 {
		return nil
	}
	header, err := readQCOW2(part)
	if err == nil {
		err = header.standsAlone()
	}
	if err != nil {
		return fault.Invalid("/format", "%v", err)
	}
	return nil
}
