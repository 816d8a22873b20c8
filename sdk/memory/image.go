// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// image is what is there of an image: not the content, but the digest so far, which is all that anybody can ask for.
type image struct {
	Ref    provider.ImageRef
	Offset int64
	Ready  bool
	Head   []byte // the first bytes, where qcow2 names another file
	Hash   []byte // state of the digest
}

func (i image) observe() provider.Image {
	return provider.Image{ImageRef: i.Ref, OffsetBytes: i.Offset, Ready: i.Ready}
}

// Where a qcow2 header says that there is a backing file: bytes 8 to 15 hold its offset.
const (
	qcow2Magic  = "QFI\xfb"
	qcow2Header = 16
)

// GetImage implements provider.Images.
func (p instances) GetImage(ctx context.Context, sum string) (provider.Image, error) {
	if err := p.b.begin(ctx, "GetImage", nil).at("", 0); err != nil {
		return provider.Image{}, err
	}
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	i, ok := p.b.data.Images[sum]
	if !ok {
		return provider.Image{}, missing(provider.KindImage, sum)
	}
	return i.observe(), nil
}

// PutImage implements provider.Images. What came before the content broke off stays.
func (p instances) PutImage(ctx context.Context, ref provider.ImageRef, offset int64, content io.Reader) (provider.Image, error) {
	if err := p.b.begin(ctx, "PutImage", nil).at("", 0); err != nil {
		return provider.Image{}, err
	}
	i, digest, err := p.resume(ref, offset)
	if err != nil {
		return provider.Image{}, err
	}
	if i.Ready {
		return i.observe(), nil
	}
	readErr := i.read(content, digest)
	if errors.Is(readErr, errBacking) {
		return provider.Image{}, errors.Join(readErr, p.forget(ref.SHA256))
	}
	if i.Hash, err = digest.(encoding.BinaryMarshaler).MarshalBinary(); err != nil {
		return provider.Image{}, err
	}
	switch {
	case readErr != nil || i.Offset < ref.SizeBytes:
		return i.observe(), errors.Join(readErr, p.keep(i))
	case hex.EncodeToString(digest.Sum(nil)) != ref.SHA256:
		mismatch := fault.New(fault.DigestMismatch, "the content does not have the SHA-256 %s", ref.SHA256)
		return provider.Image{}, errors.Join(mismatch, p.forget(ref.SHA256))
	}
	i.Ready, i.Hash, i.Head = true, nil, nil
	return i.observe(), p.keep(i)
}

// resume finds what is there, which must end where the content begins.
func (p instances) resume(ref provider.ImageRef, offset int64) (image, hash.Hash, error) {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	i := p.b.data.Images[ref.SHA256]
	i.Ref = ref
	digest := sha256.New()
	if i.Offset != offset {
		return i, digest, fault.New(fault.BadState, "%d bytes are there, and the content begins at %d", i.Offset, offset)
	}
	if i.Hash == nil {
		return i, digest, nil
	}
	return i, digest, digest.(encoding.BinaryUnmarshaler).UnmarshalBinary(i.Hash)
}

var errBacking = fault.Invalid("/content", "names a backing file, which would give the instance another's data")

// read takes the content, and looks at its head on the way.
func (i *image) read(content io.Reader, digest hash.Hash) error {
	buffer := make([]byte, 64<<10)
	for {
		n, err := content.Read(buffer)
		digest.Write(buffer[:n])
		i.Offset += int64(n)
		if missing := qcow2Header - len(i.Head); missing > 0 {
			i.Head = append(i.Head, buffer[:min(n, missing)]...)
		}
		if i.namesBacking() {
			return errBacking
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (i *image) namesBacking() bool {
	return i.Ref.Format == provider.ImageQCOW2 && len(i.Head) == qcow2Header &&
		string(i.Head[:4]) == qcow2Magic && binary.BigEndian.Uint64(i.Head[8:]) != 0
}

func (p instances) keep(i image) error {
	return p.b.change(provider.KindImage, i.Ref.SHA256, func(d *data) error {
		d.Images[i.Ref.SHA256] = i
		return nil
	})
}

func (p instances) forget(sum string) error {
	return p.b.change(provider.KindImage, sum, func(d *data) error {
		delete(d.Images, sum)
		return nil
	})
}

// DeleteImage implements provider.Images.
func (p instances) DeleteImage(ctx context.Context, sum string) error {
	if err := p.b.begin(ctx, "DeleteImage", nil).at("", 0); err != nil {
		return err
	}
	return p.b.change(provider.KindImage, sum, func(d *data) error {
		for id, i := range d.Instances {
			if i.Spec.Image.SHA256 == sum || i.Spec.Initrd != nil && i.Spec.Initrd.SHA256 == sum {
				return fault.New(fault.InUse, "instance %s stands on image %s", id, sum)
			}
		}
		delete(d.Images, sum)
		return nil
	})
}

// ListImages implements provider.Images.
func (p instances) ListImages(ctx context.Context) ([]provider.Image, error) {
	if err := p.b.begin(ctx, "ListImages", nil).at("", 0); err != nil {
		return nil, err
	}
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	var all []provider.Image
	for _, i := range p.b.data.Images {
		all = append(all, i.observe())
	}
	return all, nil
}
