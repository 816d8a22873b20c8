// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// cable is a TCP connection that a test can cut.
type cable struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu    sync.Mutex
	ended bool
	ends  []net.Conn
}

func newCable(t testing.TB, target string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{listener: l, target: target}
	c.running.Go(c.serve)
	t.Cleanup(c.end)
	return c
}

// end removes the cable.
func (c *cable) end() {
	c.listener.Close()
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.cut()
	c.running.Wait()
}

func (c *cable) address() string { return c.listener.Addr().String() }

func (c *cable) serve() {
	for {
		near, err := c.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", c.target)
		if err != nil {
			near.Close()
			continue
		}
		c.mu.Lock()
		c.ends = append(c.ends, near, far)
		ended := c.ended
		c.mu.Unlock()
		if ended {
			c.cut()
		}
		c.running.Go(func() { c.carry(near, far) })
		c.running.Go(func() { c.carry(far, near) })
	}
}

func (c *cable) carry(to, from net.Conn) {
	io.Copy(to, from)
	to.Close()
	from.Close()
}

// cut breaks every connection that there is.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, end := range c.ends {
		end.Close()
	}
	c.ends = nil
}
