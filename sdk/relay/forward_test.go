// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve returns a connection to a server.
func serve(t *testing.T, server *grpc.Server) *grpc.ClientConn {
	t.Helper()
	l := bufconn.Listen(1 << 20)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	conn, err := grpc.NewClient("passthrough:///test", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
	return conn
}

// through returns a connection to a server that forwards everything to provider.
func through(t *testing.T, provider grpc.StreamHandler, edit Edit) *grpc.ClientConn {
	t.Helper()
	behind := serve(t, grpc.NewServer(grpc.UnknownServiceHandler(provider), grpc.ForceServerCodecV2(newCodec())))
	front := grpc.NewServer(Forward(behind, edit)...)
	healthpb.RegisterHealthServer(front, health.NewServer())
	return serve(t, front)
}

const method = "/some.Service/Method"

func open(ctx context.Context, t *testing.T, conn *grpc.ClientConn) grpc.ClientStream {
	t.Helper()
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method, grpc.ForceCodecV2(newCodec()))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestACallArrivesAsItWas(t *testing.T) {
	conn := through(t, func(_ any, s grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(s.Context())
		name, _ := grpc.MethodFromServerStream(s)
		if name != method || len(md["note"]) != 2 {
			return status.Errorf(codes.Internal, "%s with %v", name, md)
		}
		if deadline, ok := s.Context().Deadline(); !ok || time.Until(deadline) > time.Minute {
			return status.Error(codes.Internal, "there is no deadline")
		}
		if err := s.SetHeader(metadata.Pairs("head", "h")); err != nil {
			return err
		}
		s.SetTrailer(metadata.Pairs("tail", "t"))
		for {
			var m message
			switch err := s.RecvMsg(&m); {
			case errors.Is(err, io.EOF):
				st, err := status.New(codes.Aborted, "late").WithDetails(&errdetails.ErrorInfo{Reason: "FENCED", Domain: "rhyzome"})
				if err != nil {
					return err
				}
				return st.Err()
			case err != nil:
				return err
			}
			if err := s.SendMsg(&m); err != nil {
				return err
			}
		}
	}, nil)
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), "note", "a", "note", "b"), time.Minute)
	defer cancel()
	s := open(ctx, t, conn)
	for i := range 20 {
		sent := bytes.Repeat([]byte{byte(i)}, i*50_000)
		var got message
		if err := errors.Join(s.SendMsg(&message{sent}), s.RecvMsg(&got)); err != nil || !bytes.Equal(sent, got.bytes) {
			t.Fatalf("message %d: %d bytes of %d, %v", i, len(got.bytes), len(sent), err)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	st := status.Convert(s.RecvMsg(&message{}))
	if st.Code() != codes.Aborted || st.Message() != "late" || len(st.Details()) != 1 {
		t.Errorf("it ended with %v, %v", st, st.Details())
	}
	header, err := s.Header()
	if err != nil || len(header["head"]) != 1 || len(s.Trailer()["tail"]) != 1 {
		t.Errorf("header %v, trailer %v, %v", header, s.Trailer(), err)
	}
}

func TestWhoeverCancelsIsHeard(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	conn := through(t, func(_ any, s grpc.ServerStream) error {
		close(began)
		<-s.Context().Done()
		close(ended)
		return s.Context().Err()
	}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	s := open(ctx, t, conn)
	<-began
	cancel()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the provider works on")
	}
	if code := status.Code(s.RecvMsg(&message{})); code != codes.Canceled {
		t.Errorf("it ended with %v", code)
	}
}

// A provider refuses an upload without reading it.
func TestAnAnswerNeedNotWait(t *testing.T) {
	conn := through(t, func(any, grpc.ServerStream) error {
		return status.Error(codes.FailedPrecondition, "not from here")
	}, nil)
	for range 50 {
		s := open(t.Context(), t, conn)
		for range 8 {
			if err := s.SendMsg(&message{make([]byte, 1<<20)}); err != nil {
				break // io.EOF: the answer is there
			}
		}
		if code := status.Code(s.RecvMsg(&message{})); code != codes.FailedPrecondition {
			t.Fatalf("it ended with %v", code)
		}
	}
}

func TestEdit(t *testing.T) {
	conn := through(t, func(_ any, s grpc.ServerStream) error {
		var m message
		if err := s.RecvMsg(&m); err != nil {
			return err
		}
		return s.SendMsg(&m)
	}, Edit{method: func(request []byte) ([]byte, error) {
		if len(request) == 0 {
			return nil, status.Error(codes.InvalidArgument, "empty")
		}
		return append(request, '!'), nil
	}})
	s := open(t.Context(), t, conn)
	var got message
	if err := errors.Join(s.SendMsg(&message{[]byte("hello")}), s.CloseSend(), s.RecvMsg(&got)); err != nil || string(got.bytes) != "hello!" {
		t.Errorf("%q, %v", got.bytes, err)
	}
	s = open(t.Context(), t, conn)
	if err := errors.Join(s.SendMsg(&message{}), s.CloseSend()); err != nil {
		t.Fatal(err)
	}
	if code := status.Code(s.RecvMsg(&got)); code != codes.InvalidArgument {
		t.Errorf("refused with %v", code)
	}
}

func TestOwnServicesAreServed(t *testing.T) {
	conn := through(t, func(any, grpc.ServerStream) error { return status.Error(codes.Internal, "forwarded") }, nil)
	if _, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Error(err)
	}
}

func TestAProgramThatDoesNotServe(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, path := range []string{"/bin/true", "/nowhere"} {
		if c, err := Start(t.Context(), Program{Path: path, Stderr: io.Discard}); err == nil {
			t.Errorf("%s serves", path)
			c.Close()
		}
	}
}
