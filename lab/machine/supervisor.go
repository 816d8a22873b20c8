// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	respawnDelay = time.Second
	stopGrace    = 10 * time.Second // between SIGTERM and SIGKILL
)

// supervisor is what an init does after boot: it starts and stops services, starts some again, and reaps everything.
type supervisor struct {
	dir string
	log *slog.Logger

	mu       sync.Mutex // held across fork and entry in services, so that no exit is reaped before it is known
	services map[string]*service
}

type service struct {
	Service
	files    []int // kept for the next start
	pid      int   // 0 when it does not run
	exits    int
	last     string        // how it ended the last time
	stopping bool          // not to be started again
	ended    chan struct{} // closed when the process of now has ended
}

func newSupervisor(dir string) (*supervisor, error) {
	s := &supervisor{
		dir:      dir,
		log:      slog.New(slog.NewTextHandler(os.Stderr, nil)),
		services: map[string]*service{},
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	return s, nil
}

// serve reaps for ever.
func (s *supervisor) serve() {
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	s.reap()
	for range children {
		s.reap()
	}
}

func (s *supervisor) reap() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		for _, svc := range s.services {
			if svc.pid == pid {
				s.exited(svc, status)
			}
		}
	}
}

// exited records an end; the caller holds mu.
func (s *supervisor) exited(svc *service, status unix.WaitStatus) {
	svc.pid = 0
	svc.exits++
	svc.last = describe(status)
	close(svc.ended)
	s.log.Info("service ended", "service", svc.Name, "status", svc.last)
	if svc.Respawn && !svc.stopping {
		time.AfterFunc(respawnDelay, func() { s.respawn(svc) })
	}
}

func (s *supervisor) respawn(svc *service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if svc.stopping || svc.pid != 0 || s.services[svc.Name] != svc {
		return
	}
	if err := s.spawn(svc); err != nil {
		s.log.Error("service does not start", "service", svc.Name, "error", err)
		time.AfterFunc(respawnDelay, func() { s.respawn(svc) })
	}
}

func describe(status unix.WaitStatus) string {
	if status.Signaled() {
		return unix.SignalName(status.Signal())
	}
	return "exit " + strconv.Itoa(status.ExitStatus())
}

// start begins a service; files are its further descriptors, and are the supervisor's from now on.
func (s *supervisor) start(def Service, files []int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.services[def.Name]; old != nil {
		if old.pid != 0 {
			closeAll(files)
			return fmt.Errorf("service %s runs already", def.Name)
		}
		s.forget(old)
	}
	svc := &service{Service: def, files: files}
	if err := s.spawn(svc); err != nil {
		closeAll(files)
		return fmt.Errorf("service %s: %w", def.Name, err)
	}
	s.services[def.Name] = svc
	return nil
}

// spawn forks the process of a service, in a session of its own; the caller holds mu.
func (s *supervisor) spawn(svc *service) error {
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer closeAll([]int{null})
	path := filepath.Join(s.dir, "log", svc.Name+".log")
	out, err := unix.Open(path, unix.O_CREAT|unix.O_APPEND|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer closeAll([]int{out})
	descriptors := []uintptr{uintptr(null), uintptr(out), uintptr(out)}
	for _, f := range svc.files {
		descriptors = append(descriptors, uintptr(f))
	}
	args, err := svc.command()
	if err != nil {
		return err
	}
	pid, err := syscall.ForkExec(args[0], args, &syscall.ProcAttr{
		Env:   environment(svc.Env),
		Files: descriptors,
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return err
	}
	svc.pid, svc.ended = pid, make(chan struct{})
	return nil
}

// stop ends a service and forgets it; of one that is not known it says so.
func (s *supervisor) stop(name string) error {
	s.mu.Lock()
	svc := s.services[name]
	if svc == nil {
		s.mu.Unlock()
		return fmt.Errorf("service %s: %w", name, errNoService)
	}
	svc.stopping = true
	if svc.pid != 0 {
		ended := svc.ended
		s.signal(svc, unix.SIGTERM)
		s.mu.Unlock()
		s.await(svc, ended)
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	if s.services[name] == svc {
		s.forget(svc)
	}
	return nil
}

func (s *supervisor) await(svc *service, ended <-chan struct{}) {
	select {
	case <-ended:
		return
	case <-time.After(stopGrace):
	}
	s.mu.Lock()
	s.signal(svc, unix.SIGKILL)
	s.mu.Unlock()
	<-ended
}

// signal reaches the service's process group; the caller holds mu, so the pid is not somebody else's.
func (s *supervisor) signal(svc *service, sig unix.Signal) {
	if svc.pid == 0 {
		return
	}
	if err := unix.Kill(-svc.pid, sig); err != nil {
		s.log.Error("signal", "service", svc.Name, "error", err)
	}
}

func (s *supervisor) forget(svc *service) {
	delete(s.services, svc.Name)
	closeAll(svc.files)
}

func (s *supervisor) kill(name string, sig unix.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	svc := s.services[name]
	if svc == nil || svc.pid == 0 {
		return fmt.Errorf("service %s: %w", name, errNoService)
	}
	return unix.Kill(svc.pid, sig)
}

func (s *supervisor) list() []ServiceStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []ServiceStatus{}
	for _, name := range slices.Sorted(maps.Keys(s.services)) {
		svc := s.services[name]
		all = append(all, ServiceStatus{Service: svc.Service, PID: svc.pid, Exits: svc.exits, LastExit: svc.last})
	}
	return all
}

// closeAll closes descriptors that nothing was written to: there is no error to learn of.
func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}
