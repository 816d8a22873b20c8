// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

type consoleServer struct {
	pb.UnimplementedConsoleServiceServer
	e *Engine
}

type consoleStream = grpc.BidiStreamingServer[pb.OpenConsoleRequest, pb.OpenConsoleResponse]

func (s *consoleServer) OpenConsole(stream consoleStream) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if err := s.e.work.attend(); err != nil {
		return s.e.status("console", err)
	}
	defer s.e.work.left()
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(s.e.work.life, cancel)()
	console, err := s.e.openConsole(ctx, first)
	if err != nil {
		return s.e.status("open console", err)
	}
	err = s.e.join(ctx, stream, console, first.GetData())
	if s.e.work.life.Err() != nil {
		err = errEnding
	}
	return s.e.status("console", err)
}

// openConsole asks the author for a console that lives as long as ctx.
func (e *Engine) openConsole(ctx context.Context, first *pb.OpenConsoleRequest) (io.ReadWriteCloser, error) {
	if err := e.accepts(); err != nil {
		return nil, err
	}
	f := faults(validateID(first.GetId()))
	f.consoleData(first.GetData())
	if err := fault.Join(f...); err != nil {
		return nil, err
	}
	return protect(e, "open console", func() (io.ReadWriteCloser, error) { return e.console.OpenConsole(ctx, first.GetId()) })
}

func (f *faults) consoleData(data []byte) {
	f.add(len(data) <= wire.MaxConsoleData, "/data", "must have at most %d bytes", wire.MaxConsoleData)
}

// join carries bytes both ways until one side ends: the guest's end is success, and so is the caller's.
func (e *Engine) join(ctx context.Context, stream consoleStream, console io.ReadWriteCloser, typed []byte) error {
	closed := sync.OnceFunc(func() {
		_, err := protect(e, "close console", func() (struct{}, error) { return struct{}{}, console.Close() })
		if err != nil {
			e.log.Debug("a console was not closed", "error", err)
		}
	})
	defer closed()
	defer context.AfterFunc(ctx, closed)()
	if err := stream.Send(&pb.OpenConsoleResponse{}); err != nil {
		return err
	}
	input := make(chan error, 1)
	go func() { // it ends with the stream
		err := e.input(stream, console, typed)
		input <- err
		closed()
	}()
	_, err := protect(e, "read console", func() (struct{}, error) { return struct{}{}, output(stream, console) })
	select {
	case inputErr := <-input: // what made the guest's side end is the reason
		return inputErr
	default:
		return err
	}
}

// input writes what the caller sends, which begins with what is there already. The caller's end is no error.
func (e *Engine) input(stream consoleStream, console io.Writer, data []byte) error {
	for {
		if err := e.typed(console, data); err != nil {
			return ignoreClosed(err)
		}
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return wire.FromStatus(err)
		}
		data = m.GetData()
		var f faults
		f.consoleData(data)
		if err := fault.Join(f...); err != nil {
			return err
		}
	}
}

// typed writes what the caller has typed, if that is anything.
func (e *Engine) typed(console io.Writer, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	_, err := protect(e, "write console", func() (int, error) { return console.Write(data) })
	return err
}

// ignoreClosed drops the error of typing to a guest that has ended: Read says so too.
func ignoreClosed(err error) error {
	if errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}

// output sends what the guest writes, until it ends.
func output(stream consoleStream, console io.Reader) error {
	for {
		buffer := make([]byte, wire.MaxConsoleData) // a sent message must not be changed
		n, err := console.Read(buffer)
		if n > 0 {
			if err := stream.Send(&pb.OpenConsoleResponse{Data: buffer[:n]}); err != nil {
				return wire.FromStatus(err)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
