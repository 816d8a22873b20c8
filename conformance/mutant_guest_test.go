// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"sync/atomic"
	"time"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// guestMutants are broken in what they say of, and to, a running guest.
func guestMutants() []mutant {
	return []mutant{
		{name: "keeps its size", caught: "RESIZE-SIZE-001",
			provider: func(p *memory.Provider) provider.Provider { return keepsSize{broken{p}} }},
		{name: "resizes in words only", caught: "RESIZE-SIZE-001",
			provider: func(p *memory.Provider) provider.Provider { return &wordy{broken: broken{p}} }},
		{name: "shrinks disks", caught: "RESIZE-DISK-001",
			provider: func(p *memory.Provider) provider.Provider { return cutsDisks{broken{p}} }},
		{name: "counts backwards", caught: "METRICS-GET-001",
			provider: func(p *memory.Provider) provider.Provider { return &countsDown{broken: broken{p}} }},
		{name: "measures the dead", caught: "METRICS-GET-002",
			provider: func(p *memory.Provider) provider.Provider { return measuresAll{broken{p}} }},
		{name: "opens consoles of the dead", caught: "CONSOLE-OPEN-001",
			provider: func(p *memory.Provider) provider.Provider { return opensDead{broken{p}} }},
		{name: "never lets go of a console", caught: "CONSOLE-OPEN-002",
			provider: func(p *memory.Provider) provider.Provider { return &keepsConsole{broken: broken{p}} }},
		{name: "leaves consoles open after the guest", caught: "CONSOLE-END-001",
			provider: func(p *memory.Provider) provider.Provider { return hangsOn{broken{p}} }},
		{name: "gives programs nothing to read", caught: "EXEC-RUN-001",
			provider: func(p *memory.Provider) provider.Provider { return givesNothing{broken{p}} }},
		{name: "asks a shell", caught: "EXEC-RUN-001",
			provider: func(p *memory.Provider) provider.Provider { return asksShell{broken{p}} }},
		{name: "takes silence for success", caught: "EXEC-TIMEOUT-001",
			provider: func(p *memory.Provider) provider.Provider { return optimist{broken{p}} }},
		{name: "runs programs again", caught: "EXEC-ONCE-001",
			provider: func(p *memory.Provider) provider.Provider { return forgetsExec{broken{p}} }},
		{name: "runs programs for whoever is late", caught: "EXEC-FENCE-001",
			unary: commands(func(method string, c *pb.Command) {
				if strings.HasSuffix(method, "/ExecInstance") {
					c.Fence = math.MaxUint64
				}
			})},
	}
}

type countsDown struct {
	broken
	reads atomic.Int64
}

func (m *countsDown) GetInstanceMetrics(ctx context.Context, id string) (provider.InstanceMetrics, error) {
	got, err := m.Provider.GetInstanceMetrics(ctx, id)
	got.CPUTime = time.Hour - time.Duration(m.reads.Add(1))
	return got, err
}

type measuresAll struct{ broken }

func (m measuresAll) GetInstanceMetrics(ctx context.Context, id string) (provider.InstanceMetrics, error) {
	got, err := m.Provider.GetInstanceMetrics(ctx, id)
	if fault.ReasonOf(err) == fault.BadState {
		return provider.InstanceMetrics{}, nil
	}
	return got, err
}

// mute is a console of nobody: it ends only when it is closed.
type mute struct{ *io.PipeReader }

func newMute() io.ReadWriteCloser {
	r, _ := io.Pipe()
	return mute{r}
}

func (mute) Write(p []byte) (int, error) { return len(p), nil }

type opensDead struct{ broken }

func (m opensDead) OpenConsole(ctx context.Context, id string) (io.ReadWriteCloser, error) {
	c, err := m.Provider.OpenConsole(ctx, id)
	if fault.ReasonOf(err) == fault.BadState {
		return newMute(), nil
	}
	return c, err
}

// keepsConsole gives each console once.
type keepsConsole struct {
	broken
	taken atomic.Bool
}

func (m *keepsConsole) OpenConsole(ctx context.Context, id string) (io.ReadWriteCloser, error) {
	if m.taken.Swap(true) {
		return nil, fault.New(fault.Busy, "somebody has it")
	}
	return m.Provider.OpenConsole(ctx, id)
}

type hangsOn struct{ broken }

func (m hangsOn) OpenConsole(ctx context.Context, id string) (io.ReadWriteCloser, error) {
	c, err := m.Provider.OpenConsole(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := c.Close(); err != nil {
		return nil, err
	}
	return newMute(), nil
}

type givesNothing struct{ broken }

func (m givesNothing) ExecInstance(ctx context.Context, id, operation string, e provider.Execution) (provider.Executed, error) {
	e.Stdin = nil
	return m.Provider.ExecInstance(ctx, id, operation, e)
}

// asksShell lets a shell see the arguments.
type asksShell struct{ broken }

func (m asksShell) ExecInstance(ctx context.Context, id, operation string, e provider.Execution) (provider.Executed, error) {
	argv := make([]string, len(e.Argv))
	for i, arg := range e.Argv {
		argv[i] = strings.ReplaceAll(arg, "$(echo rhyzome)", "rhyzome")
	}
	e.Argv = argv
	return m.Provider.ExecInstance(ctx, id, operation, e)
}

type optimist struct{ broken }

func (m optimist) ExecInstance(ctx context.Context, id, operation string, e provider.Execution) (provider.Executed, error) {
	done, err := m.Provider.ExecInstance(ctx, id, operation, e)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return done, err
}

type forgetsExec struct{ broken }

func (m forgetsExec) GetInstance(ctx context.Context, id string) (provider.Instance, error) {
	i, err := m.Provider.GetInstance(ctx, id)
	i.LastExecOperationID = ""
	return i, err
}

type keepsSize struct{ broken }

func (m keepsSize) ApplyInstance(ctx context.Context, s provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	if _, size, err := m.GetInstanceSize(ctx, s.ID); err == nil {
		s.VCPUs, s.MemoryBytes = size.VCPUs, size.MemoryBytes
	}
	return m.Provider.ApplyInstance(ctx, s, progress)
}

// wordy has the size that it was seen with first.
type wordy struct {
	broken
	first atomic.Pointer[provider.InstanceSize]
}

func (m *wordy) GetInstanceSize(ctx context.Context, id string) (now, next provider.InstanceSize, err error) {
	now, next, err = m.Provider.GetInstanceSize(ctx, id)
	if err == nil {
		m.first.CompareAndSwap(nil, &now)
		now = *m.first.Load()
	}
	return now, next, err
}

type cutsDisks struct{ broken }

func (m cutsDisks) ApplyInstance(ctx context.Context, s provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	if size, _, err := m.GetInstanceSize(ctx, s.ID); err == nil {
		s.DiskBytes = max(s.DiskBytes, size.DiskBytes)
	}
	return m.Provider.ApplyInstance(ctx, s, progress)
}
