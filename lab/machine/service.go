// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"
)

// Service is a program that the init of a machine runs in the foreground, in a session of its own. What it prints goes to
// log/NAME.log in the machine's directory.
type Service struct {
	Name    string   `json:"name"`
	Args    []string `json:"args"`              // program and arguments
	Env     []string `json:"env,omitempty"`     // NAME=value, added to the init's
	Respawn bool     `json:"respawn,omitempty"` // started again one second after it ended, until stopped
	Listen  int      `json:"listen,omitempty"`  // number of sockets that it got, from descriptor 3 on (LISTEN_FDS)
}

// ServiceStatus is what the init knows of a service.
type ServiceStatus struct {
	Service
	PID      int    `json:"pid"` // inside; 0 when it does not run
	Exits    int    `json:"exits"`
	LastExit string `json:"last_exit,omitempty"` // "exit 1", "SIGKILL"
}

var errNoService = errors.New("no such service")

// StartService starts a service. Listeners are sockets that were opened elsewhere, in the root namespace above all; the
// service finds them by LISTEN_FDS and LISTEN_PID. The caller may close its own copies.
func (m *Machine) StartService(ctx context.Context, svc Service, listeners ...*os.File) error {
	svc.Listen = len(listeners)
	_, err := m.control().call(ctx, request{Verb: verbStart, Service: &svc}, listeners...)
	return err
}

// StopService ends a service (SIGTERM, ten seconds later SIGKILL) and returns when it has ended.
func (m *Machine) StopService(ctx context.Context, name string) error {
	return m.control().Stop(ctx, name)
}

// SignalService sends a signal to the service's process: a crash, a reload.
func (m *Machine) SignalService(ctx context.Context, name string, sig unix.Signal) error {
	return m.control().Signal(ctx, name, sig)
}

// Services lists the services that were started and not stopped, by name.
func (m *Machine) Services(ctx context.Context) ([]ServiceStatus, error) {
	return m.control().List(ctx)
}

// Service returns one of them, or an error.
func (m *Machine) Service(ctx context.Context, name string) (ServiceStatus, error) {
	all, err := m.Services(ctx)
	if err != nil {
		return ServiceStatus{}, err
	}
	for _, s := range all {
		if s.Name == name {
			return s, nil
		}
	}
	return ServiceStatus{}, fmt.Errorf("service %s: %w", name, errNoService)
}

// command returns the program by its path, and its arguments. A service with sockets gets LISTEN_PID from a shell that
// becomes it: only there its pid is known before it runs.
func (s Service) command() ([]string, error) {
	if len(s.Args) == 0 {
		return nil, errors.New("no program")
	}
	path, err := exec.LookPath(s.Args[0])
	if err != nil {
		return nil, err
	}
	args := append([]string{path}, s.Args[1:]...)
	if s.Listen == 0 {
		return args, nil
	}
	script := `export LISTEN_FDS=` + strconv.Itoa(s.Listen) + ` LISTEN_PID=$$; exec "$@"`
	return append([]string{"/bin/sh", "-c", script, "sh"}, args...), nil
}
