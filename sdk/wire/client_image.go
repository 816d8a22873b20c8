// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"errors"
	"io"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// MaxChunk is the most content that one message of PutImage may carry.
const MaxChunk = 1 << 20

// GetImage says what is there of an image; fault.NoSuchObject if nothing.
func (c *Client) GetImage(ctx context.Context, sha256 string) (provider.Image, error) {
	resp, err := call(ctx, c.images.GetImage, &pb.GetImageRequest{Sha256: sha256})
	return convert(resp.GetImage(), err, ImageFromProto)
}

// PutImage sends content, which begins at offset: what GetImage told, 0 if there is nothing. An error of content's
// Read comes back as it is; what was sent until then stays, for the next attempt to go on from.
func (c *Client) PutImage(ctx context.Context, ref provider.ImageRef, offset int64, content io.Reader) (provider.Image, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.images.PutImage(ctx)
	if err != nil {
		return provider.Image{}, FromStatus(err)
	}
	header := ImageToProto(provider.Image{ImageRef: ref, OffsetBytes: offset})
	sendErr := send(stream.Send, header, content)
	resp, err := stream.CloseAndRecv() // also when content broke off: the provider then keeps what it has
	if sendErr != nil {
		return provider.Image{}, sendErr
	}
	return convert(resp.GetImage(), FromStatus(err), ImageFromProto)
}

// send sends until content ends or the provider stops listening; the answer then says why it did.
func send(send func(*pb.PutImageRequest) error, header *pb.Image, content io.Reader) error {
	if err := send(&pb.PutImageRequest{Header: header}); err != nil {
		return ignoreEOF(err)
	}
	for {
		buffer := make([]byte, MaxChunk) // a sent message must not be changed
		n, readErr := io.ReadFull(content, buffer)
		if n > 0 {
			if err := send(&pb.PutImageRequest{Chunk: buffer[:n]}); err != nil {
				return ignoreEOF(err)
			}
		}
		switch {
		case errors.Is(readErr, io.EOF), errors.Is(readErr, io.ErrUnexpectedEOF):
			return nil
		case readErr != nil:
			return readErr
		}
	}
}

// ignoreEOF drops the io.EOF with which gRPC says that the stream has its answer already.
func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return FromStatus(err)
}

// DeleteImage frees the content; fault.InUse if an instance stands on it.
func (c *Client) DeleteImage(ctx context.Context, sha256 string) error {
	_, err := call(ctx, c.images.DeleteImage, &pb.DeleteImageRequest{Sha256: sha256})
	return err
}

// ListImages returns all that is there, in part too.
func (c *Client) ListImages(ctx context.Context) ([]provider.Image, error) {
	return collect(ctx, c.images.ListImages, &pb.ListImagesRequest{},
		func(m *pb.ListImagesResponse) (provider.Image, error) { return ImageFromProto(m.GetImage()) })
}
