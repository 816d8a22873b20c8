// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// GetImage implements provider.Images.
func (p *Provider) GetImage(_ context.Context, sha256 string) (provider.Image, error) {
	b, err := p.configured()
	if err != nil {
		return provider.Image{}, err
	}
	if !digest.MatchString(sha256) {
		return provider.Image{}, noImage(sha256)
	}
	return b.images.get(sha256)
}

// ListImages implements provider.Images.
func (p *Provider) ListImages(context.Context) ([]provider.Image, error) {
	b, err := p.configured()
	if err != nil {
		return nil, err
	}
	return b.images.list()
}

// PutImage implements provider.Images. Content whose transfer breaks off stays, to be continued from where it ended.
func (p *Provider) PutImage(ctx context.Context, ref provider.ImageRef, offset int64, content io.Reader) (provider.Image, error) {
	b, err := p.configured()
	if err != nil {
		return provider.Image{}, err
	}
	if err := validateRef(ref); err != nil {
		return provider.Image{}, err
	}
	leave, err := b.images.enter(ref.SHA256)
	if err != nil {
		return provider.Image{}, err
	}
	defer leave()
	image, err := b.images.put(ctx, ref, offset, content)
	return image, full(err)
}

func validateRef(ref provider.ImageRef) error {
	var faults []*fault.Error
	if !digest.MatchString(ref.SHA256) {
		faults = append(faults, fault.Invalid("/sha256", "must be 64 hexadecimal digits in lower case"))
	}
	switch ref.Format {
	case provider.ImageQCOW2, provider.ImageRaw, provider.ImageKernel, provider.ImageInitrd:
	default:
		faults = append(faults, fault.Invalid("/format", "%q is not known here", ref.Format))
	}
	if ref.SizeBytes <= 0 {
		faults = append(faults, fault.Invalid("/size_bytes", "must be positive"))
	}
	return fault.Join(faults...)
}

// DeleteImage implements provider.Images.
func (p *Provider) DeleteImage(ctx context.Context, sha256 string) error {
	if !digest.MatchString(sha256) {
		return nil // there cannot be one
	}
	_, err := look(ctx, p, func(b *backend, l *link) (struct{}, error) {
		leave, err := b.images.enter(sha256)
		if err != nil {
			return struct{}{}, err
		}
		defer leave()
		// No instance may come to stand on it between the question and the removal.
		b.images.using.Lock()
		defer b.images.using.Unlock()
		err = each(l, func(d *domain) error {
			for _, used := range d.mark.Images {
				if used == sha256 {
					return fault.New(fault.InUse, "the instance %s stands on the image", d.mark.ID)
				}
			}
			return nil
		})
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, b.images.remove(sha256)
	})
	return err
}

// need reports which content is missing for the spec.
func (c *imageCache) need(spec provider.InstanceSpec) error {
	refs := []provider.ImageRef{spec.Image}
	if spec.Initrd != nil {
		refs = append(refs, *spec.Initrd)
	}
	for _, ref := range refs {
		_, err := os.Stat(c.path(ref.SHA256))
		if errors.Is(err, fs.ErrNotExist) {
			return fault.New(fault.ImageMissing, "the content of image %s is not here", ref.SHA256).With("sha256", ref.SHA256)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func noImage(sha256 string) error {
	return fault.New(fault.NoSuchObject, "there is no image %s", sha256)
}
