// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// Progress tells people how far the lab has come: a line when a step begins, lines of what it does, and how long it took.
type Progress struct {
	out   io.Writer
	start time.Time

	mu    sync.Mutex
	steps []StepTime
}

// StepTime is how long a step took.
type StepTime struct {
	Step    string  `json:"step"`
	Seconds float64 `json:"seconds"`
}

// NewProgress reports to out.
func NewProgress(out io.Writer) *Progress { return &Progress{out: out, start: time.Now()} }

// Say tells what is being done, under the step that runs.
func (p *Progress) Say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "%7.1fs    %s\n", time.Since(p.start).Seconds(), fmt.Sprintf(format, args...))
}

// Step runs one step and records how long it took.
func (p *Progress) Step(ctx context.Context, name string, do func(context.Context) error) error {
	begin := time.Now()
	p.mu.Lock()
	fmt.Fprintf(p.out, "%7.1fs  %s\n", begin.Sub(p.start).Seconds(), name)
	p.mu.Unlock()
	if err := do(ctx); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps = append(p.steps, StepTime{Step: name, Seconds: time.Since(begin).Seconds()})
	return nil
}

// Steps returns the steps that are done.
func (p *Progress) Steps() []StepTime {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]StepTime(nil), p.steps...)
}
