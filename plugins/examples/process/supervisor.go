// SPDX-License-Identifier: Apache-2.0

//go:build linux

package process

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// superviseVerb is the first argument of a supervisor; the backend's directory and the instance's id follow.
const superviseVerb = "supervise"

// Programs that end by themselves again and again are started again after a while, which grows.
const (
	shortestPause = time.Second
	longestPause  = time.Minute
)

// Supervise is called first by the provider's program. It does not return in a supervisor, which the provider starts
// from the same program.
func Supervise() {
	if len(os.Args) != 4 || os.Args[1] != superviseVerb {
		return
	}
	runtime.LockOSThread() // the kernel ends a program with the thread that started it
	s := &supervisor{home: home{os.Args[2], os.Args[3]}, signals: make(chan os.Signal, 8)}
	if err := s.run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// supervisor does what the record of one instance says.
type supervisor struct {
	home
	signals chan os.Signal // SIGHUP: look at the record; SIGTERM: the machine stops
	state   state
}

// next is what to do when a program has ended.
type next int

const (
	again next = iota // whatever the record says
	leave             // it ended by itself, and the instance is stopped
	wait              // likewise, and it starts again after a pause
	halt              // the machine stops: the instance runs again when it is back
)

func (s *supervisor) run() error {
	signal.Notify(s.signals, syscall.SIGHUP, syscall.SIGTERM)
	lock, err := s.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	if s.state, err = s.readState(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return err
	}
	pause := shortestPause
	for {
		r, err := s.readRecord()
		if err != nil || !r.runs() {
			return errors.Join(err, s.tell(func(t *state) { t.Revision, t.Running, t.PID = r.Revision, false, 0 }))
		}
		run, err := s.start(&r)
		if err != nil {
			return s.tell(func(t *state) { t.Revision, t.Running, t.PID, t.Failure = r.Revision, false, 0, err.Error() })
		}
		began := time.Now()
		err = s.tell(func(t *state) {
			t.Supervisor, t.Boot, t.Revision, t.Failure = os.Getpid(), bootID(), r.Revision, ""
			t.Running, t.PID, t.Since, t.LastReboot = true, run.pid, began.UTC(), r.Reboot.OperationID
		})
		do := leave
		if err == nil {
			do, err = s.attend(run, &r)
		}
		if err := errors.Join(err, run.end()); err != nil {
			return err
		}
		switch do {
		case leave:
			return s.tell(func(t *state) { t.Running, t.PID = false, 0 })
		case halt:
			return nil
		case wait:
			if time.Since(began) > longestPause {
				pause = shortestPause
			}
			if err := s.tell(func(t *state) { t.PID = 0 }); err != nil {
				return err
			}
			select {
			case <-time.After(pause):
				pause = min(2*pause, longestPause)
			case sig := <-s.signals:
				if sig == syscall.SIGTERM {
					return nil
				}
			}
		}
	}
}

// lock makes this the only supervisor of the instance. The lock ends with the process, or with the file's closing.
func (s *supervisor) lock() (*os.File, error) {
	file, err := os.OpenFile(s.path(lockFile), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.FcntlFlock(file.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		return nil, errors.Join(fmt.Errorf("instance %s has a supervisor: %w", s.id, err), file.Close())
	}
	return file, nil
}

// tell writes what is.
func (s *supervisor) tell(change func(*state)) error {
	change(&s.state)
	return writeJSON(s.path(stateFile), s.state)
}

// attend watches a program until it has to end, or has ended. What is left of it, the caller ends.
func (s *supervisor) attend(run *run, r *record) (next, error) {
	started := r.program(s.directory)
	for {
		select {
		case status := <-run.ended:
			if r.Restart == restartAlways || r.Restart == restartOnFailure && status != 0 {
				return wait, nil
			}
			return leave, nil
		case sig := <-s.signals:
			if sig == syscall.SIGTERM {
				s.stop(run, r.Grace)
				return halt, nil
			}
		}
		now, err := s.readRecord()
		switch {
		case err != nil:
			continue // the backend is away, and what runs is not to suffer from it
		case now.Deleting, now.Reboot.OperationID != s.state.LastReboot && now.Reboot.Hard:
			return again, nil
		case !now.runs(), now.Reboot.OperationID != s.state.LastReboot, now.program(s.directory) != started:
			s.stop(run, now.Grace)
			return again, nil
		}
		*r = now
		if err := s.tell(func(t *state) { t.Revision = now.Revision }); err != nil {
			return leave, err
		}
	}
}

// stop asks a program to end, and waits for as long as it may take, or until somebody wants something else.
func (s *supervisor) stop(run *run, grace time.Duration) {
	_ = syscall.Kill(run.pid, syscall.SIGTERM) // it may have ended
	select {
	case <-run.ended:
	case <-time.After(grace):
	case <-s.signals:
	}
}
