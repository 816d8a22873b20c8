// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
)

// MaxConsoleData is the most that one message of OpenConsole may carry.
const MaxConsoleData = 32 << 10

// Console is the serial console of an instance. One goroutine may read while another one writes.
type Console struct {
	stream grpc.BidiStreamingClient[pb.OpenConsoleRequest, pb.OpenConsoleResponse]
	cancel context.CancelFunc
	rest   []byte
}

// OpenConsole opens the console of a running instance, until ctx ends or it is closed; fault.BadState if it does not
// run, fault.Busy if somebody else has it.
func (c *Client) OpenConsole(ctx context.Context, id string) (*Console, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.consoles.OpenConsole(ctx)
	if err == nil {
		// What Send fails with, Recv explains.
		_ = stream.Send(&pb.OpenConsoleRequest{Id: id})
		_, err = stream.Recv()
	}
	if err != nil {
		cancel()
		return nil, FromStatus(err)
	}
	return &Console{stream: stream, cancel: cancel}, nil
}

// Read implements io.Reader. It returns io.EOF when the guest has ended.
func (c *Console) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		m, err := c.stream.Recv()
		if errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, FromStatus(err)
		}
		c.rest = m.GetData()
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// Write implements io.Writer. It returns io.EOF when the console has ended; Read tells why.
func (c *Console) Write(p []byte) (int, error) {
	for sent := 0; sent < len(p); {
		n := min(len(p)-sent, MaxConsoleData)
		if err := c.stream.Send(&pb.OpenConsoleRequest{Data: p[sent : sent+n]}); err != nil {
			return sent, err
		}
		sent += n
	}
	return len(p), nil
}

// Close implements io.Closer.
func (c *Console) Close() error {
	c.cancel()
	return nil
}
