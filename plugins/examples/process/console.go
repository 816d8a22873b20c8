// SPDX-License-Identifier: Apache-2.0

//go:build linux

package process

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// followInterval is how often it is looked whether a program has said more.
const followInterval = 20 * time.Millisecond

// console shows what a program says, from the file that its supervisor writes, and tells it what is typed.
type console struct {
	home
	supervisor int
	input      *os.File
	closed     chan struct{}
	closing    sync.Once

	mu   sync.Mutex
	file *os.File // that is being read
}

// OpenConsole implements provider.Console. It begins with what is kept of the program's output.
func (p *Provider) OpenConsole(ctx context.Context, id string) (io.ReadWriteCloser, error) {
	h := p.home(id)
	if _, err := p.record(ctx, h); err != nil {
		return nil, err
	}
	now, running, err := h.running()
	if err != nil {
		return nil, backend(err)
	}
	if !running {
		return nil, notRunning(id)
	}
	// Who opens a pipe that nobody reads gets an error instead of waiting.
	input, err := os.OpenFile(h.path(inputFile), os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENXIO) {
		return nil, notRunning(id)
	}
	if err != nil {
		return nil, backend(err)
	}
	file, err := os.Open(h.path(outputFile))
	if err != nil {
		return nil, errors.Join(backend(err), input.Close())
	}
	return &console{home: h, supervisor: now.Supervisor, input: input, file: file, closed: make(chan struct{})}, nil
}

func notRunning(id string) error { return fault.New(fault.BadState, "instance %s is not running", id) }

// Read implements io.Reader.
func (c *console) Read(p []byte) (int, error) {
	for {
		supervisor, err := c.home.supervisor()
		ended := err == nil && supervisor != c.supervisor
		if n, err := c.read(p); n > 0 || err != nil {
			return n, err
		}
		if ended {
			return 0, io.EOF
		}
		select {
		case <-time.After(followInterval):
		case <-c.closed:
			return 0, io.EOF
		}
	}
}

// read returns what is there: of this file, or of the next, if there is one.
func (c *console) read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	current, err := c.file.Stat()
	if err != nil {
		return 0, orEOF(err)
	}
	next, err := os.Stat(c.path(outputFile))
	if n, err := c.file.Read(p); n > 0 || !errors.Is(err, io.EOF) {
		return n, orEOF(err)
	}
	if err != nil || os.SameFile(current, next) {
		return 0, nil
	}
	file, err := os.Open(c.path(outputFile))
	if err != nil {
		return 0, nil // it is gone with its instance, which is seen next
	}
	c.file.Close()
	c.file = file
	return file.Read(p)
}

// orEOF is the end of a file that was closed.
func orEOF(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return io.EOF
	}
	return err
}

// Write implements io.Writer.
func (c *console) Write(p []byte) (int, error) {
	n, err := c.input.Write(p)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) {
		err = io.ErrClosedPipe
	}
	return n, err
}

// Close implements io.Closer.
func (c *console) Close() error {
	c.closing.Do(func() { close(c.closed) })
	err := c.input.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(err, c.file.Close())
}
