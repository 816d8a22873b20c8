// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"io"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Upload stores content and makes the image ready. BadState if it is ready already, DigestMismatch if the content is
// not what the spec promised, InvalidField if it is no content of that format. A failed upload leaves nothing and may
// be repeated.
func (s *Service) Upload(ctx context.Context, project, image string, content io.Reader) (core.Image, error) {
	i, err := s.Get(ctx, project, image)
	if err != nil {
		return core.Image{}, err
	}
	if err := refuseReady(i); err != nil {
		return core.Image{}, err
	}
	p, err := s.files.receive(ctx, i.Spec.Format, content)
	if err != nil {
		return core.Image{}, err
	}
	defer p.discard()
	if i.Spec.SHA256 != "" && i.Spec.SHA256 != p.sha256 {
		return core.Image{}, fault.New(fault.DigestMismatch, "the content has SHA-256 %s, but image %s promises %s", p.sha256, i.Name, i.Spec.SHA256)
	}
	return s.keep(ctx, i.ID, p)
}

func refuseReady(i core.Image) error {
	if i.Status.State == core.ImageReady {
		return fault.New(fault.BadState, "image %s has its content already; create another image for other content", i.Name)
	}
	return nil
}

// keep puts a part in its place and makes the row ready. If the row cannot be changed, the content is removed again,
// unless other rows need it.
func (s *Service) keep(ctx context.Context, id string, p *part) (i core.Image, err error) {
	s.removing.Lock()
	defer s.removing.Unlock()
	if err := p.place(); err != nil {
		return core.Image{}, err
	}
	err = s.store.Update(ctx, func(tx core.Tx) error {
		if i, err = tx.Images().Get(id); err != nil {
			return err
		}
		if err := refuseReady(i); err != nil {
			return err
		}
		i.Status = core.ImageStatus{State: core.ImageReady, SHA256: p.sha256, SizeBytes: p.size, DiskBytes: p.disk}
		i.UpdatedAt = s.now()
		if err := tx.Images().Update(i); err != nil {
			return err
		}
		return s.emit(tx, i, "image.ready")
	})
	if err != nil {
		s.removeUnused(context.WithoutCancel(ctx), p.sha256)
		return core.Image{}, err
	}
	return i, nil
}

// Open returns the content with a digest, from an offset on.
func (s *Service) Open(_ context.Context, sha256 string, offset int64) (io.ReadCloser, error) {
	return s.files.read(sha256, offset)
}
