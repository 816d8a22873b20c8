// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/client"
)

// progress shows how an operation goes on: a picture that moves on a terminal, else a line for each change.
type progress struct {
	style style
	quiet bool
	began time.Time
	live  *live

	mu   sync.Mutex
	op   client.Operation
	said string
}

func (a *app) newProgress(cmd *cobra.Command, op client.Operation) *progress {
	p := &progress{style: styleOf(cmd.ErrOrStderr()), quiet: a.quiet, began: time.Now(), op: op}
	if p.style.terminal && !p.quiet {
		p.live = newLive(p.style, p.picture)
	}
	return p
}

// update is called with each change of the operation.
func (p *progress) update(op client.Operation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if op.Kind == "" { // the core was away from the first look on
		p.op.WaitingFor = op.WaitingFor
		op = p.op
	}
	p.op = op
	if p.live == nil && !p.quiet {
		if line := sentence(op); line != p.said {
			fmt.Fprintln(p.style.w, line)
			p.said = line
		}
	}
}

func (p *progress) close() {
	if p.live != nil {
		p.live.close()
		fmt.Fprintln(p.style.w)
	}
}

// sentence is one line about an operation, without what changes all the time.
func sentence(op client.Operation) string {
	head := op.Kind + " " + op.Resource.Name + ": "
	switch {
	case op.WaitingFor != "":
		return head + "waiting: " + op.WaitingFor
	case op.State.Ended():
		return head + string(op.State)
	}
	for _, s := range op.Steps {
		if s.State == client.StepRunning || s.State == client.StepUndoing {
			return fmt.Sprintf("%s%s %s (%d%%)", head, s.State, s.Name, op.Percent)
		}
	}
	return head + string(op.State)
}

// picture is the operation with its steps.
func (p *progress) picture(frame int) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, op := p.style, p.op
	lines := []string{fmt.Sprintf("%s %s  %s  %s", s.bold(op.Kind), op.Resource.Name, s.state(string(op.State)),
		s.faint(fmt.Sprintf("%d%%  %s", op.Percent, time.Since(p.began).Round(time.Second))))}
	for _, step := range op.Steps {
		line := "  " + mark(s, step.State, frame) + " " + step.Name
		if step.Detail != "" && step.State == client.StepRunning {
			line += "  " + s.faint(step.Detail)
		}
		lines = append(lines, line)
	}
	if op.WaitingFor != "" {
		lines = append(lines, "  "+s.yellow("waiting: ")+op.WaitingFor)
	}
	return lines
}

var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

func mark(s style, state client.StepState, frame int) string {
	switch state {
	case client.StepDone:
		return s.green("✓")
	case client.StepFailed:
		return s.red("✗")
	case client.StepUndone:
		return s.faint("↶")
	case client.StepRunning, client.StepUndoing:
		return s.yellow(string(spinner[frame%len(spinner)]))
	}
	return s.faint("·")
}

// live redraws some lines in place until it is closed.
type live struct {
	style  style
	render func(frame int) []string
	stop   chan struct{}
	done   chan struct{}
}

const frameTime = 100 * time.Millisecond

func newLive(s style, render func(frame int) []string) *live {
	l := &live{style: s, render: render, stop: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	return l
}

func (l *live) run() {
	defer close(l.done)
	tick := time.NewTicker(frameTime)
	defer tick.Stop()
	drawn := 0
	for frame := 0; ; frame++ {
		lines := l.render(frame)
		drawn = l.draw(lines, drawn)
		select {
		case <-tick.C:
		case <-l.stop:
			l.draw(l.render(frame), drawn)
			return
		}
	}
}

// draw writes lines over those that were drawn before, and returns how many there are now.
func (l *live) draw(lines []string, before int) int {
	var b strings.Builder
	if before > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", before)
	}
	width := l.style.width()
	for _, line := range lines {
		b.WriteString("\r\x1b[K" + fit(line, width) + "\n")
	}
	b.WriteString("\x1b[J")
	fmt.Fprint(l.style.w, b.String())
	return len(lines)
}

// fit cuts a line that would wrap and so spoil the picture. Colour takes no room.
func fit(line string, width int) string {
	var b strings.Builder
	room := width - 1
	for line != "" {
		if strings.HasPrefix(line, "\x1b[") {
			end := strings.IndexByte(line, 'm') + 1
			b.WriteString(line[:end])
			line = line[end:]
			continue
		}
		r, n := utf8.DecodeRuneInString(line)
		if room > 0 {
			b.WriteRune(r)
			room--
		}
		line = line[n:]
	}
	return b.String()
}

func (l *live) close() {
	close(l.stop)
	<-l.done
}
