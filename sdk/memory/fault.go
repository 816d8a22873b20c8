// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Fault is something that goes wrong at a chosen place. Its effects come in the order of its fields.
type Fault struct {
	Verb  string // a method of the provider: "ApplyInstance", "Check"
	Step  string // one of the steps that the method reports; "" for its beginning
	Times int    // how often; 0 for always

	Delay time.Duration
	Hang  <-chan struct{} // waits until it is closed, or the caller gives up
	Panic bool
	Err   error
}

// Inject makes f happen, until remove is called.
func (b *Backend) Inject(f Fault) (remove func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	injected := &f
	b.faults = append(b.faults, injected)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.drop(injected)
	}
}

func (b *Backend) drop(f *Fault) {
	b.faults = slices.DeleteFunc(b.faults, func(g *Fault) bool { return g == f })
}

// SetDown makes every method fail with fault.BackendDown, as when libvirtd is away.
func (b *Backend) SetDown(down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
}

// take finds the faults for a place, and counts them down.
func (b *Backend) take(verb, step string) (faults []Fault, delay time.Duration, down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range slices.Clone(b.faults) {
		if f.Verb != verb || f.Step != step {
			continue
		}
		faults = append(faults, *f)
		if f.Times == 1 {
			b.drop(f)
		}
		f.Times = max(f.Times-1, 0)
	}
	if step != "" {
		delay = b.delay
	}
	return faults, delay, b.down || exists(b.downFile)
}

func exists(path string) bool {
	if path == "" {
		return false
	}
	_, err := os.Stat(path)
	return err == nil
}

// steps is one call of a method, on its way.
type steps struct {
	b        *Backend
	ctx      context.Context
	verb     string
	progress provider.Progress
}

func (b *Backend) begin(ctx context.Context, verb string, progress provider.Progress) steps {
	return steps{b: b, ctx: ctx, verb: verb, progress: progress}
}

// at reports a step, and lets go wrong there what was injected.
func (s steps) at(step string, percent int) error {
	if s.progress != nil && step != "" {
		s.progress(step, percent)
	}
	if err := s.b.meddled(); err != nil {
		return err
	}
	faults, delay, down := s.b.take(s.verb, step)
	if down {
		return fault.New(fault.BackendDown, "the backend does not answer")
	}
	if err := s.sleep(delay); err != nil {
		return err
	}
	for _, f := range faults {
		if err := s.suffer(f); err != nil {
			return err
		}
	}
	return s.ctx.Err()
}

func (s steps) suffer(f Fault) error {
	if err := s.sleep(f.Delay); err != nil {
		return err
	}
	if f.Hang != nil {
		select {
		case <-f.Hang:
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
	if f.Panic {
		panic("injected")
	}
	return f.Err
}

func (s steps) sleep(d time.Duration) error {
	if d == 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}
