// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"time"
)

// prompt is what rootfs/etc/profile sets.
const prompt = "guest# "

// ErrConsoleClosed says that the other end of the console went away: the guest stopped.
var ErrConsoleClosed = errors.New("the guest's console was closed")

// Console runs commands in a guest through its serial console. It is for one goroutine.
type Console struct {
	to      io.Writer
	arrived chan []byte
	seen    []byte // arrived and not used yet
	awake   bool   // a prompt was seen
	count   int    // commands so far
}

// NewConsole talks through both ends of a serial line until reading from it fails: the caller ends it by closing it.
func NewConsole(line io.ReadWriter) *Console {
	c := &Console{to: line, arrived: make(chan []byte, 64)}
	go c.listen(line)
	return c
}

func (c *Console) listen(from io.Reader) {
	defer close(c.arrived)
	for {
		part := make([]byte, 4096)
		n, err := from.Read(part)
		if n > 0 {
			c.arrived <- part[:n]
		}
		if err != nil {
			return
		}
	}
}

// Run waits until the guest's shell is there, runs a command of one line, and returns what it wrote, both streams, and
// its exit code.
func (c *Console) Run(ctx context.Context, command string) (output string, code int, err error) {
	if err := c.wake(ctx); err != nil {
		return "", 0, err
	}
	c.count++
	// The quotes keep the echo of what is typed from looking like the marks; the line end allows a command that ends in &.
	line := fmt.Sprintf("echo 'begin'-%d; { %s\n} 2>&1; echo 'end'-%d-$?\n", c.count, command, c.count)
	if _, err := io.WriteString(c.to, line); err != nil {
		return "", 0, fmt.Errorf("guest console: %w", err)
	}
	answer := regexp.MustCompile(fmt.Sprintf(`(?s)begin-%d\r\n(.*?)end-%d-(\d+)\r\n`, c.count, c.count))
	found, err := c.await(ctx, answer, nil, "")
	if err != nil {
		return "", 0, fmt.Errorf("guest console: %q: %w", command, err)
	}
	code, err = strconv.Atoi(string(found[2]))
	return string(bytes.ReplaceAll(found[1], []byte("\r"), nil)), code, err
}

// wake presses Enter until the shell prompts: while the guest boots, nobody reads what is typed. A shell that has just
// begun may lose the first letters of what it is told, so it has to answer once.
func (c *Console) wake(ctx context.Context) error {
	if c.awake {
		return nil
	}
	knock := time.NewTicker(500 * time.Millisecond)
	defer knock.Stop()
	if _, err := c.await(ctx, regexp.MustCompile(prompt), knock.C, "\n"); err != nil {
		return fmt.Errorf("guest console: no prompt: %w", err)
	}
	if _, err := c.await(ctx, regexp.MustCompile("awake-0\r\n"), knock.C, "echo 'awake'-0\n"); err != nil {
		return fmt.Errorf("guest console: no answer: %w", err)
	}
	c.awake = true
	return nil
}

// await reads until the pattern is found, and types something at every tick of knock.
func (c *Console) await(ctx context.Context, pattern *regexp.Regexp, knock <-chan time.Time, typed string) ([][]byte, error) {
	for {
		if at := pattern.FindSubmatchIndex(c.seen); at != nil {
			found := pattern.FindSubmatch(c.seen)
			c.seen = c.seen[at[1]:]
			return found, nil
		}
		select {
		case part, ok := <-c.arrived:
			if !ok {
				return nil, ErrConsoleClosed
			}
			c.seen = append(c.seen, part...)
		case <-knock:
			if _, err := io.WriteString(c.to, typed); err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("%w, after %q", ctx.Err(), tail(c.seen))
		}
	}
}

// tail is the end of a text, for messages.
func tail(text []byte) []byte { return text[max(0, len(text)-200):] }
