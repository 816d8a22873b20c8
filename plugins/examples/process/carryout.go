// SPDX-License-Identifier: Apache-2.0

//go:build linux

package process

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// lookInterval is how often it is looked whether a supervisor is done.
const lookInterval = 5 * time.Millisecond

// starts is how often a supervisor is started that ends without a word.
const starts = 3

// carryOut waits until what a record says is so. It tells the supervisor, and starts one if something has to run. One
// that a dead provider has started, and that comes late, finds the record as it is now.
func (h home) carryOut(ctx context.Context, r *record) error {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	told, started := 0, 0
	ended := closed() // of the supervisor that this call has started
	for {
		supervisor, err := h.supervisor()
		if err != nil {
			return backend(err)
		}
		now, err := h.readState()
		if err != nil {
			return backend(err)
		}
		switch done := now.Revision == r.Revision; {
		case supervisor == 0 && !r.runs():
			return nil
		case supervisor == 0 && done && now.Failure != "":
			return fault.New(fault.BackendRefused, "the program cannot be started: %s", now.Failure)
		case done && (supervisor == 0 || supervisor == now.Supervisor): // a short program may have ended again
			return nil
		case supervisor != 0 && supervisor != told:
			told = supervisor
			h.tell(supervisor)
		case supervisor == 0 && isClosed(ended):
			if started++; started > starts {
				return fault.New(fault.BackendRefused, "the supervisor ends at once; %s says why", h.path(logFile))
			}
			if ended, err = h.startSupervisor(); err != nil {
				return backend(err)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tell makes a supervisor look at its record. The handle is taken first, so that the signal never meets another process.
func (h home) tell(supervisor int) {
	process, err := os.FindProcess(supervisor)
	if err != nil {
		return
	}
	defer process.Release() //nolint:errcheck // nothing comes of it
	if now, err := h.supervisor(); err == nil && now == supervisor {
		_ = process.Signal(syscall.SIGHUP) // it may have ended
	}
}

// startSupervisor starts one that outlives this process. The channel is closed when it ends.
func (h home) startSupervisor() (<-chan struct{}, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	log, err := os.OpenFile(h.path(logFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	args := []string{filepath.Base(os.Args[0]), superviseVerb, h.directory, h.id}
	process, err := os.StartProcess("/proc/self/exe", args, &os.ProcAttr{
		Dir: "/", Env: os.Environ(), Files: []*os.File{null, null, log}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, fmt.Errorf("the supervisor does not start: %w", err)
	}
	ended := make(chan struct{})
	go func() { // it ends with the supervisor
		defer close(ended)
		_, _ = process.Wait()
	}()
	return ended, nil
}

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// resume starts what ran when the machine went down.
func (p *Provider) resume(ctx context.Context) error {
	homes, err := p.homes()
	if err != nil {
		return backend(err)
	}
	for _, h := range homes {
		r, err := h.readRecord()
		if err != nil {
			return backend(err)
		}
		last, err := h.readState()
		if err != nil {
			return backend(err)
		}
		if !r.Made || !r.runs() || !last.Running || last.Boot == bootID() {
			continue
		}
		r.Revision++
		if err := writeJSON(h.record(), r); err != nil {
			return backend(err)
		}
		if err := h.carryOut(ctx, &r); err != nil {
			slog.Warn("an instance does not run again after the boot", "instance", h.id, "error", err)
		}
	}
	return nil
}
