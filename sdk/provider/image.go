// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"context"
	"io"
)

// ImageFormat says what image content is.
type ImageFormat string

// The formats.
const (
	ImageQCOW2  ImageFormat = "qcow2"
	ImageRaw    ImageFormat = "raw"
	ImageKernel ImageFormat = "kernel"
	ImageInitrd ImageFormat = "initrd"
)

// ImageRef names image content by its digest.
type ImageRef struct {
	SHA256    string // lower-case hexadecimal
	Format    ImageFormat
	SizeBytes int64
}

// Image is what a provider has of an image's content.
type Image struct {
	ImageRef
	OffsetBytes int64 // how much is there
	Ready       bool  // all of it, checked
}

// Images is the capability "images": a cache of content named by its SHA-256. Instances of an image are applied only
// after it is ready.
type Images interface {
	// GetImage says what is there; fault.NoSuchObject if nothing.
	GetImage(ctx context.Context, sha256 string) (Image, error)
	// PutImage takes content from offset (what GetImage told; the SDK refuses anything else) to the end, checks its
	// digest (fault.DigestMismatch, and the part is removed) and refuses qcow2 content that names another file with
	// fault.InvalidField. Content that ends too early is kept, and the image returned is not ready. A second caller for
	// the same content waits or gets fault.Busy.
	PutImage(ctx context.Context, ref ImageRef, offset int64, content io.Reader) (Image, error)
	// DeleteImage frees the content; fault.InUse if an instance stands on it.
	DeleteImage(ctx context.Context, sha256 string) error
	ListImages(ctx context.Context) ([]Image, error)
}
