// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"io"
	"sync"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

// scrollback is how much a console keeps for a caller that does not read.
const scrollback = 64 << 10

// console is one caller's view of a pretended guest, which echoes what is typed to all who look.
type console struct {
	b  *Backend
	id string

	mu     sync.Mutex
	change *sync.Cond
	unread []byte
	closed bool
}

// OpenConsole implements provider.Console.
func (p instances) OpenConsole(ctx context.Context, id string) (io.ReadWriteCloser, error) {
	if err := p.b.begin(ctx, "OpenConsole", nil).at("", 0); err != nil {
		return nil, err
	}
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	if _, err := p.b.data.running(id); err != nil {
		return nil, err
	}
	c := &console{b: p.b, id: id}
	c.change = sync.NewCond(&c.mu)
	p.b.consoles[c] = struct{}{}
	return c, nil
}

// Read implements io.Reader.
func (c *console) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.unread) == 0 && !c.closed {
		c.change.Wait()
	}
	if len(c.unread) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}

// Write implements io.Writer.
func (c *console) Write(p []byte) (int, error) {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	if _, open := c.b.consoles[c]; !open {
		return 0, io.ErrClosedPipe
	}
	for other := range c.b.consoles {
		if other.id == c.id {
			other.show(p)
		}
	}
	return len(p), nil
}

func (c *console) show(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unread = append(c.unread, p...)
	c.unread = c.unread[max(len(c.unread)-scrollback, 0):]
	c.change.Broadcast()
}

// Close implements io.Closer.
func (c *console) Close() error {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	c.end()
	return nil
}

// end is called with the backend's lock held.
func (c *console) end() {
	delete(c.b.consoles, c)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.change.Broadcast()
}

// hangUp ends the consoles of an instance that does not run any more. It is called with the backend's lock held.
func (b *Backend) hangUp(id string) {
	if i, ok := b.data.Instances[id]; ok && i.Power == provider.PowerRunning {
		return
	}
	for c := range b.consoles {
		if c.id == id {
			c.end()
		}
	}
}
