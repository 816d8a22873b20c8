// SPDX-License-Identifier: Apache-2.0

//go:build linux

package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Of each image there are SHA256.json, which says what it is to be, and SHA256.part, or SHA256 when it was checked.
const partSuffix = ".part"

// GetImage implements provider.Images.
func (p *Provider) GetImage(ctx context.Context, sum string) (provider.Image, error) {
	var i provider.Image
	text, err := os.ReadFile(p.path(imagesDir, sum+recordSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		if err := p.Check(ctx); err != nil {
			return i, err
		}
		return i, fault.New(fault.NoSuchObject, "there is no image %s", sum)
	}
	if err := errors.Join(err, json.Unmarshal(text, &i.ImageRef)); err != nil {
		return i, backend(err)
	}
	info, err := os.Stat(p.path(imagesDir, sum))
	i.Ready = err == nil
	if errors.Is(err, fs.ErrNotExist) {
		info, err = os.Stat(p.path(imagesDir, sum+partSuffix))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return i, nil // the process ended before the first byte
	}
	if err != nil {
		return i, backend(err)
	}
	i.OffsetBytes = info.Size()
	return i, nil
}

// PutImage implements provider.Images. The SDK lets one caller through for each image, and only from where it ended.
func (p *Provider) PutImage(ctx context.Context, ref provider.ImageRef, _ int64, content io.Reader) (provider.Image, error) {
	if ref.Format == provider.ImageQCOW2 {
		return provider.Image{}, fault.Invalid("/format", "must be raw or kernel: the image is a program, not a disk")
	}
	path := p.path(imagesDir, ref.SHA256)
	if err := writeJSON(path+recordSuffix, ref); err != nil {
		return provider.Image{}, backend(err)
	}
	size, sum, err := receive(path+partSuffix, content)
	switch {
	case err != nil:
		return provider.Image{}, err
	case size < ref.SizeBytes:
		return provider.Image{ImageRef: ref, OffsetBytes: size}, nil
	case sum != ref.SHA256:
		mismatch := fault.New(fault.DigestMismatch, "the content has the SHA-256 %s", sum)
		return provider.Image{}, errors.Join(mismatch, backend(p.removeImage(ref.SHA256)))
	}
	if err := os.Rename(path+partSuffix, path); err != nil {
		return provider.Image{}, backend(err)
	}
	return p.GetImage(ctx, ref.SHA256)
}

// receive adds to a part, and returns the size and digest of all of it.
func receive(path string, content io.Reader) (int64, string, error) {
	part, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o500)
	if err != nil {
		return 0, "", backend(err)
	}
	defer part.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, part)
	if err != nil {
		return 0, "", backend(err)
	}
	added, err := io.Copy(io.MultiWriter(part, sum), content)
	if err != nil {
		return 0, "", err // of the stream, which knows best
	}
	err = errors.Join(part.Chmod(0o555), part.Sync())
	return size + added, hex.EncodeToString(sum.Sum(nil)), backend(err)
}

// DeleteImage implements provider.Images.
func (p *Provider) DeleteImage(_ context.Context, sum string) error {
	p.using.Lock()
	defer p.using.Unlock()
	homes, err := p.homes()
	if err != nil {
		return backend(err)
	}
	for _, h := range homes {
		r, err := h.readRecord()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return backend(err)
		}
		if r.Spec.Image.SHA256 == sum {
			return fault.New(fault.InUse, "instance %s runs it", h.id)
		}
	}
	return backend(p.removeImage(sum))
}

// removeImage takes the record last: what is left without content is seen.
func (p *Provider) removeImage(sum string) error {
	for _, suffix := range []string{"", partSuffix, recordSuffix + newSuffix, recordSuffix} {
		if err := os.Remove(p.path(imagesDir, sum+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// ListImages implements provider.Images.
func (p *Provider) ListImages(ctx context.Context) (all []provider.Image, err error) {
	entries, err := os.ReadDir(p.path(imagesDir))
	for _, e := range entries {
		sum, ok := strings.CutSuffix(e.Name(), recordSuffix)
		if !ok {
			continue
		}
		switch i, err := p.GetImage(ctx, sum); {
		case err == nil:
			all = append(all, i)
		case fault.ReasonOf(err) != fault.NoSuchObject: // deleted meanwhile
			return nil, err
		}
	}
	return all, backend(err)
}
