// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

type imageServer struct {
	pb.UnimplementedImageServiceServer
	e *Engine
}

func (s *imageServer) GetImage(ctx context.Context, req *pb.GetImageRequest) (*pb.GetImageResponse, error) {
	i, err := s.e.image(ctx, req.GetSha256())
	if err != nil {
		return nil, s.e.status("get image", err)
	}
	return &pb.GetImageResponse{Image: wire.ImageToProto(i)}, nil
}

func (e *Engine) image(ctx context.Context, sha256 string) (provider.Image, error) {
	if err := e.acceptsImage(sha256); err != nil {
		return provider.Image{}, err
	}
	return read(ctx, e, "get image", wire.CallTimeout, func(ctx context.Context) (provider.Image, error) {
		return e.images.GetImage(ctx, sha256)
	})
}

func (e *Engine) acceptsImage(sha256 string) error {
	if err := e.accepts(); err != nil {
		return err
	}
	var f faults
	f.digest("/sha256", sha256)
	return fault.Join(f...)
}

func (s *imageServer) PutImage(stream grpc.ClientStreamingServer[pb.PutImageRequest, pb.PutImageResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	header, err := wire.ImageFromProto(first.GetHeader())
	if err != nil {
		return wire.ToStatus(err)
	}
	content := &chunks{stream: stream, rest: first.GetChunk(), left: header.SizeBytes - header.OffsetBytes}
	i, err := s.e.putImage(stream.Context(), header, content)
	if err != nil {
		return s.e.status("put image", err)
	}
	return stream.SendAndClose(&pb.PutImageResponse{Image: wire.ImageToProto(i)})
}

// putImage refuses what does not fit what is there, before the author sees a byte.
func (e *Engine) putImage(ctx context.Context, header provider.Image, content io.Reader) (provider.Image, error) {
	if err := e.acceptsImage(header.SHA256); err != nil {
		return provider.Image{}, err
	}
	var f faults
	f.add(header.SizeBytes > 0, "/size_bytes", "must be more than 0")
	f.add(header.OffsetBytes >= 0 && header.OffsetBytes <= header.SizeBytes, "/offset_bytes", "must lie inside the content")
	if err := fault.Join(f...); err != nil {
		return provider.Image{}, err
	}
	leave, err := e.gates.enter(ctx, "image "+header.SHA256)
	if err != nil {
		return provider.Image{}, err
	}
	defer leave()
	if err := e.work.begin(); err != nil {
		return provider.Image{}, err
	}
	defer e.work.left()
	defer e.work.ended()
	there, err := e.image(ctx, header.SHA256)
	switch {
	case err != nil && !errors.Is(err, noSuchObject):
		return provider.Image{}, err
	case there.Ready:
		return there, nil
	case there.OffsetBytes != header.OffsetBytes:
		return provider.Image{}, fault.New(fault.BadState, "%d bytes are there, and the content begins at %d", there.OffsetBytes, header.OffsetBytes)
	}
	return protect(e, "put image", func() (provider.Image, error) {
		return e.images.PutImage(ctx, header.ImageRef, header.OffsetBytes, content)
	})
}

func (s *imageServer) DeleteImage(ctx context.Context, req *pb.DeleteImageRequest) (*pb.DeleteImageResponse, error) {
	if err := s.e.acceptsImage(req.GetSha256()); err != nil {
		return nil, s.e.status("delete image", err)
	}
	_, err := read(ctx, s.e, "delete image", wire.CallTimeout, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.e.images.DeleteImage(ctx, req.GetSha256())
	})
	if err != nil {
		return nil, s.e.status("delete image", err)
	}
	return &pb.DeleteImageResponse{}, nil
}

func (s *imageServer) ListImages(_ *pb.ListImagesRequest, stream grpc.ServerStreamingServer[pb.ListImagesResponse]) error {
	all, err := listed(stream.Context(), s.e, "list images", s.e.images.ListImages)
	if err != nil {
		return err
	}
	for _, i := range all {
		if err := stream.Send(&pb.ListImagesResponse{Image: wire.ImageToProto(i)}); err != nil {
			return err
		}
	}
	return nil
}

// chunks is the content of a PutImage, never more than was promised.
type chunks struct {
	stream grpc.ClientStreamingServer[pb.PutImageRequest, pb.PutImageResponse]
	rest   []byte
	left   int64
}

// Read implements io.Reader. A stream that breaks is an error, not the content's end.
func (c *chunks) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		m, err := c.stream.Recv()
		if errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, wire.FromStatus(err)
		}
		c.rest = m.GetChunk()
	}
	if len(c.rest) > wire.MaxChunk {
		return 0, fault.Invalid("/chunk", "must have at most %d bytes", wire.MaxChunk)
	}
	if int64(len(c.rest)) > c.left {
		return 0, fault.Invalid("/size_bytes", "more content came than was promised")
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	c.left -= int64(n)
	return n, nil
}
