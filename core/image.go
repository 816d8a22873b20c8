// SPDX-License-Identifier: Apache-2.0

package core

// Image is bootable content. Its row is made first; the content is uploaded to it.
type Image struct {
	Meta
	Project string      `json:"project"`
	Spec    ImageSpec   `json:"spec"`
	Status  ImageStatus `json:"status"`
}

// ImageSpec is what was asked.
type ImageSpec struct {
	Format string `json:"format" required:"true" enum:"qcow2,raw,kernel,initrd"`
	SHA256 string `json:"sha256,omitempty" pattern:"^[0-9a-f]{64}$" description:"If given, content with another digest is refused."`
}

// ImageStatus is what is true.
type ImageStatus struct {
	State     ImageState `json:"state" enum:"waiting,ready"`
	SHA256    string     `json:"sha256,omitempty"`
	SizeBytes int64      `json:"size_bytes,omitempty"`
	DiskBytes int64      `json:"disk_bytes,omitempty" description:"Size of the disk that a guest sees; qcow2 and raw only."`
}

// ImageState of an image.
type ImageState string

// The states of an image.
const (
	ImageWaiting ImageState = "waiting" // for its content
	ImageReady   ImageState = "ready"
)
