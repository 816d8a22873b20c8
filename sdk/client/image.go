// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"sync/atomic"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Image is bootable content.
type Image struct {
	Meta
	Project string      `json:"project"`
	Spec    ImageSpec   `json:"spec"`
	Status  ImageStatus `json:"status"`
}

// ImageSpec is what was asked.
type ImageSpec struct {
	Format string `json:"format"`           // one of the Format constants
	SHA256 string `json:"sha256,omitempty"` // if given, content with another digest is refused
}

// The formats of image content.
const (
	FormatQCOW2  = "qcow2"
	FormatRaw    = "raw"
	FormatKernel = "kernel"
	FormatInitrd = "initrd"
)

// ImageStatus is what is true.
type ImageStatus struct {
	State     ImageState `json:"state"`
	SHA256    string     `json:"sha256,omitempty"`
	SizeBytes int64      `json:"size_bytes,omitempty"`
	DiskBytes int64      `json:"disk_bytes,omitempty"` // size of the disk that the content holds
}

// ImageState of an image.
type ImageState string

// The states of an image.
const (
	ImageWaiting ImageState = "waiting" // for its content
	ImageReady   ImageState = "ready"
)

// NewImage asks for an image. Its content is uploaded afterwards.
type NewImage struct {
	Name        string            `json:"name"` // DNS label, fixed after creation
	DisplayName string            `json:"display_name,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Spec        ImageSpec         `json:"spec"`
}

// Images is the client of /v1/projects/{project}/images.
type Images struct{ t *transport }

// Create makes an image that waits for its content.
func (s *Images) Create(ctx context.Context, project string, image NewImage) (Image, error) {
	return create[Image](ctx, s.t, image, "projects", project, "images")
}

// Upload streams content to an image that waits for it, and makes it ready. size is the content's, -1 if not known;
// what follows size bytes is not sent. fault.DigestMismatch if it is not what the image's specification promises,
// fault.BadState if the image is ready, fault.InvalidField if the content cannot be read or is shorter than size.
func (s *Images) Upload(ctx context.Context, project, image string, content io.Reader, size int64) (Image, error) {
	var v Image
	p, err := path("projects", project, "images", image, "content")
	if err != nil {
		return v, err
	}
	source := &source{content: content, left: size}
	ask := http.Header{"Expect": {"100-continue"}} // a refusal comes before the content is sent
	err = s.t.call(ctx, request{method: http.MethodPut, path: p, header: ask, body: source, size: size}, &v)
	if err != nil {
		if broken := source.broken.Load(); broken != nil {
			return v, broken
		}
	}
	return v, err
}

// source reads content to the size that was promised, and remembers what went wrong on this side. It hides that the
// content may be an io.Closer: that is the caller's to close, not net/http's.
type source struct {
	content io.Reader
	left    int64 // -1 for as much as there is
	broken  atomic.Pointer[fault.Error]
}

// Read reads the next part.
func (s *source) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if s.left > 0 && int64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err := s.content.Read(p)
	if s.left > 0 {
		s.left -= int64(n)
	}
	switch {
	case err == nil, errors.Is(err, io.EOF) && s.left <= 0:
		return n, err
	case errors.Is(err, io.EOF):
		return n, s.fail(fault.New(fault.InvalidField, "the content ended %d bytes early", s.left))
	}
	return n, s.fail(fault.New(fault.InvalidField, "the content cannot be read: %w", err))
}

func (s *source) fail(f *fault.Error) error {
	s.broken.Store(f)
	return f
}

// List returns one page and the cursor of the next.
func (s *Images) List(ctx context.Context, project string, page Page) ([]Image, string, error) {
	p, err := path("projects", project, "images")
	if err != nil {
		return nil, "", err
	}
	return getPage[Image](ctx, s.t, p, nil, page)
}

// All walks through every image of a project.
func (s *Images) All(ctx context.Context, project string) iter.Seq2[Image, error] {
	return all(func(p Page) ([]Image, string, error) { return s.List(ctx, project, p) })
}

// Get returns an image; fault.UnknownResource if there is none.
func (s *Images) Get(ctx context.Context, project, image string) (Image, error) {
	return get[Image](ctx, s.t, "projects", project, "images", image)
}

// Delete removes an image; fault.HasChildren while instances stand on it.
func (s *Images) Delete(ctx context.Context, project, image string) error {
	return remove(ctx, s.t, "projects", project, "images", image)
}
