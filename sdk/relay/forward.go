// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"io"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Edit changes a request on its way, by the full name of its method. Its error is the answer instead.
type Edit map[string]func(request []byte) ([]byte, error)

// Forward returns the options that make a gRPC server hand on, to the provider behind conn, every call of a service that
// is not registered on it: messages, metadata, deadline, cancellation and the status with its details, as they are.
func Forward(conn grpc.ClientConnInterface, edit Edit) []grpc.ServerOption {
	f := forwarder{conn: conn, edit: edit}
	return []grpc.ServerOption{grpc.UnknownServiceHandler(f.handle), grpc.ForceServerCodecV2(newCodec())}
}

type forwarder struct {
	conn grpc.ClientConnInterface
	edit Edit
}

// handle forwards one call. All are streams here; a unary one has a message each way.
func (f forwarder) handle(_ any, in grpc.ServerStream) error {
	method, ok := grpc.MethodFromServerStream(in)
	if !ok {
		return status.Error(codes.Internal, "the call has no method")
	}
	ctx, cancel := context.WithCancel(in.Context())
	defer cancel()
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		ctx = metadata.NewOutgoingContext(ctx, onward(md))
	}
	out, err := f.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method, grpc.ForceCodecV2(newCodec()))
	if err != nil {
		return err
	}
	asked := make(chan error, 1)
	go func() { asked <- f.ask(in, out, f.edit[method]) }()
	answered := make(chan error, 1)
	go func() { answered <- answer(in, out) }()
	select {
	case err := <-asked:
		if err != nil {
			return err // out ends with ctx
		}
		return <-answered
	case err := <-answered: // the provider need not have read everything
		return err
	}
}

// ask carries requests, until the core has no more.
func (f forwarder) ask(in grpc.ServerStream, out grpc.ClientStream, edit func([]byte) ([]byte, error)) error {
	for {
		var m message
		switch err := in.RecvMsg(&m); {
		case errors.Is(err, io.EOF):
			return out.CloseSend()
		case err != nil:
			return err
		}
		if edit != nil {
			var err error
			if m.bytes, err = edit(m.bytes); err != nil {
				return err
			}
		}
		if err := out.SendMsg(&m); err != nil {
			if errors.Is(err, io.EOF) {
				return nil // the provider has answered; its status says more
			}
			return err
		}
	}
}

// answer carries answers, until the provider has no more. It returns the status that the provider gave.
func answer(in grpc.ServerStream, out grpc.ClientStream) error {
	defer func() { in.SetTrailer(out.Trailer()) }()
	for first := true; ; first = false {
		var m message
		err := out.RecvMsg(&m)
		if header, known := out.Header(); first && known == nil {
			if err := in.SetHeader(header); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := in.SendMsg(&m); err != nil {
			return err
		}
	}
}

// onward leaves out what belongs to the connection that a call came over.
func onward(md metadata.MD) metadata.MD {
	out := metadata.MD{}
	for key, values := range md {
		if !strings.HasPrefix(key, ":") && !strings.HasPrefix(key, "grpc-") && key != "content-type" && key != "user-agent" {
			out[key] = values
		}
	}
	return out
}

// message is one that is not looked into.
type message struct{ bytes []byte }

// codec passes messages through, and is protobuf's for all others: those of services that the relay serves itself.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(proto.Name)} }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if m, ok := v.(*message); ok {
		return mem.BufferSlice{mem.SliceBuffer(m.bytes)}, nil
	}
	return c.CodecV2.Marshal(v)
}

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(*message); ok {
		m.bytes = data.Materialize()
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}
