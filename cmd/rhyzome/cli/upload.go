// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/client"
)

// content is a file that is uploaded, and how much of it has gone.
type content struct {
	file *os.File
	size int64
	sent atomic.Int64
}

// openContent opens a file; no name is no content.
func openContent(name string) (*content, error) {
	if name == "" {
		return &content{}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, usage("%s", err.Error())
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err != nil {
		f.Close()
		return nil, usage("%s", err.Error())
	}
	return &content{file: f, size: info.Size()}, nil
}

// Read reads the next part, and counts it.
func (c *content) Read(p []byte) (int, error) {
	n, err := c.file.Read(p)
	c.sent.Add(int64(n))
	return n, err
}

func (c *content) close() {
	if c.file != nil {
		c.file.Close() // it was only read
	}
}

// upload sends the content and shows how far it is.
func (a *app) upload(cmd *cobra.Command, t target, image, name string, c *content) (client.Image, error) {
	s := styleOf(cmd.ErrOrStderr())
	if s.terminal && !a.quiet {
		began := time.Now()
		l := newLive(s, func(int) []string { return []string{c.picture(s, name, time.Since(began))} })
		defer l.close()
	}
	return t.Images.Upload(cmd.Context(), t.project, image, c, c.size)
}

const barWidth = 24

// picture is a bar: debian  ━━━━━━──────  45%  120.0 MiB of 260.0 MiB  30.1 MiB/s
func (c *content) picture(s style, name string, took time.Duration) string {
	sent := c.sent.Load()
	share := 1.0
	if c.size > 0 {
		share = min(1, float64(sent)/float64(c.size))
	}
	full := int(share * barWidth)
	bar := s.green(strings.Repeat("━", full)) + s.faint(strings.Repeat("━", barWidth-full))
	rate := ""
	if seconds := took.Seconds(); seconds > 0.5 {
		rate = "  " + about(int64(float64(sent)/seconds)) + "/s"
	}
	return fmt.Sprintf("%s  %s  %3.0f%%  %s", s.bold(name), bar, share*100, s.faint(about(sent)+" of "+about(c.size)+rate))
}

// about writes bytes with one decimal: it changes all the time, and should keep its width.
func about(n int64) string {
	for _, u := range units[:4] {
		if n >= u.bytes {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.bytes), u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}
