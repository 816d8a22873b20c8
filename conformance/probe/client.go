// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os/exec"
	"strings"
	"time"

	"github.com/rhyzome/rhyzome/conformance/internal/tail"
)

// grace is how much longer than its own patience a probe may take to answer, and to end.
const grace = 20 * time.Second

// Client asks a probe that runs somewhere.
type Client struct {
	rpc   *rpc.Client
	cmd   *exec.Cmd
	wrong *tail.Tail
}

// Start runs a command that runs the probe where it is to measure: rhyzome-conformance probe, behind whatever leads there.
func Start(ctx context.Context, command []string) (*Client, error) {
	if len(command) == 0 {
		return nil, errors.New("a probe needs a command")
	}
	c := &Client{cmd: exec.Command(command[0], command[1:]...), wrong: &tail.Tail{}} //nolint:noctx // it ends with Close
	c.cmd.Stderr = c.wrong
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("probe %s: %w", strings.Join(command, " "), err)
	}
	c.rpc = rpc.NewClientWithCodec(jsonrpc.NewClientCodec(pipe{out, in}))
	if err := c.call(ctx, "Hello", struct{}{}, &struct{}{}, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("probe %s does not answer: %w", strings.Join(command, " "), err), c.Close())
	}
	return c, nil
}

// Close ends the probe. What it had set up is gone then.
func (c *Client) Close() error {
	if err := c.rpc.Close(); err != nil && !errors.Is(err, rpc.ErrShutdown) {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- c.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("a probe ended with %w: %s", err, c.wrong)
		}
		return nil
	case <-time.After(grace):
		return errors.Join(errors.New("a probe does not end"), c.cmd.Process.Kill(), <-done)
	}
}

// Reset takes everything back that the probe has set up, and brings an interface up without addresses.
func (c *Client) Reset(ctx context.Context, device string) (Link, error) {
	var link Link
	return link, c.call(ctx, "Reset", device, &link, 0)
}

// Acquire asks for a lease, and gives it to the interface.
func (c *Client) Acquire(ctx context.Context, a AcquireArgs) (Lease, error) {
	var lease Lease
	return lease, c.call(ctx, "Acquire", a, &lease, a.Patience)
}

// SetAddress gives addresses and default routes to an interface.
func (c *Client) SetAddress(ctx context.Context, a Address) error {
	return c.call(ctx, "SetAddress", a, &struct{}{}, 0)
}

// SetRoute leads a range through a neighbour.
func (c *Client) SetRoute(ctx context.Context, r Route) error {
	return c.call(ctx, "SetRoute", r, &struct{}{}, 0)
}

// Ping reports whether an address answers an echo request within the time.
func (c *Client) Ping(ctx context.Context, a netip.Addr, patience time.Duration) (bool, error) {
	var answered bool
	return answered, c.call(ctx, "Ping", PingArgs{Address: a, Patience: patience}, &answered, patience)
}

// Lookup asks one server for a name's addresses.
func (c *Client) Lookup(ctx context.Context, q Question) (Answer, error) {
	var answer Answer
	return answer, c.call(ctx, "Lookup", q, &answer, LookupPatience)
}

// Offer opens a service that answers whoever calls it, and returns the token that it answers with.
func (c *Client) Offer(ctx context.Context, t Target) (string, error) {
	var token string
	return token, c.call(ctx, "Offer", t, &token, 0)
}

// Call calls a service of another probe once. That nobody answers within the time is an answer without a token.
func (c *Client) Call(ctx context.Context, t Target, patience time.Duration) (Met, error) {
	var met Met
	return met, c.call(ctx, "Call", CallArgs{Target: t, Patience: patience}, &met, patience)
}

// Hold opens a connection to a service of another probe, and keeps it busy until the next Reset.
func (c *Client) Hold(ctx context.Context, t Target) (int, error) {
	var id int
	return id, c.call(ctx, "Hold", t, &id, HoldPatience)
}

// Held tells how a connection does.
func (c *Client) Held(ctx context.Context, id int) (Flow, error) {
	var f Flow
	return f, c.call(ctx, "Held", id, &f, 0)
}

// Dial brings a tunnel up.
func (c *Client) Dial(ctx context.Context, t Tunnel) error {
	return c.call(ctx, "Dial", t, &struct{}{}, 0)
}

// HangUp takes the tunnel down.
func (c *Client) HangUp(ctx context.Context) error {
	return c.call(ctx, "HangUp", struct{}{}, &struct{}{}, 0)
}

func (c *Client) call(ctx context.Context, method string, args, reply any, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience+grace)
	defer cancel()
	call := c.rpc.Go(Service+"."+method, args, reply, make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
		if errors.Is(call.Error, io.ErrUnexpectedEOF) || errors.Is(call.Error, rpc.ErrShutdown) {
			return fmt.Errorf("%w: %s", call.Error, c.wrong)
		}
		return call.Error
	case <-ctx.Done():
		return fmt.Errorf("the probe's %s: %w", method, ctx.Err())
	}
}

// pipe is a program's output and input as one connection.
type pipe struct {
	io.Reader
	io.WriteCloser
}
