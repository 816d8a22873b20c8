// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

const maxMessage = 64 << 10

// request and response are the messages of the control socket: one packet each way, descriptors with the request.
type request struct {
	Verb    verb     `json:"verb"`
	Service *Service `json:"service,omitempty"` // of start
	Name    string   `json:"name,omitempty"`
	Signal  int      `json:"signal,omitempty"`
}

type response struct {
	Error    string          `json:"error,omitempty"`
	Services []ServiceStatus `json:"services,omitempty"`
}

type verb string

const (
	verbStart  verb = "start"
	verbStop   verb = "stop"
	verbSignal verb = "signal"
	verbList   verb = "list"
)

// Control speaks to the init of a machine.
type Control struct{ dir string }

func (m *Machine) control() Control { return Control{m.Dir} }

// Inside returns the control of the machine that the calling process runs in.
func Inside() Control { return Control{insideDir} }

// Start starts a service.
func (c Control) Start(ctx context.Context, svc Service) error {
	_, err := c.call(ctx, request{Verb: verbStart, Service: &svc})
	return err
}

// Stop ends a service and returns when it has ended.
func (c Control) Stop(ctx context.Context, name string) error {
	_, err := c.call(ctx, request{Verb: verbStop, Name: name})
	return err
}

// Signal sends a signal to the process of a service.
func (c Control) Signal(ctx context.Context, name string, sig unix.Signal) error {
	_, err := c.call(ctx, request{Verb: verbSignal, Name: name, Signal: int(sig)})
	return err
}

// List returns the services that were started and not stopped, by name.
func (c Control) List(ctx context.Context) ([]ServiceStatus, error) {
	r, err := c.call(ctx, request{Verb: verbList})
	return r.Services, err
}

func (c Control) call(ctx context.Context, req request, files ...*os.File) (response, error) {
	var answer response
	err := withSocketPath(c.dir, func(path string) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unixpacket", path)
		if err != nil {
			return err
		}
		defer conn.Close()
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		defer stop()
		answer, err = exchange(conn.(*net.UnixConn), req, files)
		return errors.Join(ctx.Err(), err)
	})
	if err != nil {
		return response{}, fmt.Errorf("control %s: %w", c.dir, err)
	}
	if answer.Error != "" {
		return response{}, errors.New(answer.Error)
	}
	return answer, nil
}

func exchange(conn *net.UnixConn, req request, files []*os.File) (response, error) {
	text, err := json.Marshal(req)
	if err != nil {
		return response{}, err
	}
	var fds []int
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if _, _, err := conn.WriteMsgUnix(text, rights, nil); err != nil {
		return response{}, err
	}
	buf := make([]byte, maxMessage)
	n, err := conn.Read(buf)
	if err != nil {
		return response{}, err
	}
	var answer response
	return answer, json.Unmarshal(buf[:n], &answer)
}

// withSocketPath gives f a path of the control socket that is short enough for an address, however long dir is.
func withSocketPath(dir string, f func(path string) error) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return f("/proc/self/fd/" + strconv.Itoa(int(d.Fd())) + "/control.sock")
}

// listen opens the control socket and serves it from now on.
func (s *supervisor) listen() error {
	if err := os.RemoveAll(filepath.Join(s.dir, "control.sock")); err != nil {
		return err
	}
	return withSocketPath(s.dir, func(path string) error {
		old := unix.Umask(0o177)
		defer unix.Umask(old)
		l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
		if err != nil {
			return err
		}
		l.SetUnlinkOnClose(false)
		go s.accept(l)
		return nil
	})
}

func (s *supervisor) accept(l *net.UnixListener) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			s.log.Error("control socket", "error", err)
			return
		}
		go func() {
			defer func() { _ = conn.Close() }() // the other end may be gone
			if err := s.answer(conn); err != nil {
				s.log.Error("control", "error", err)
			}
		}()
	}
}

func (s *supervisor) answer(conn *net.UnixConn) error {
	buf, oob := make([]byte, maxMessage), make([]byte, 256)
	n, oobn, _, _, err := conn.ReadMsgUnix(buf, oob)
	if err != nil {
		return err
	}
	files, err := descriptors(oob[:oobn])
	if err != nil {
		return err
	}
	var req request
	if err := json.Unmarshal(buf[:n], &req); err != nil {
		closeAll(files)
		return err
	}
	text, err := json.Marshal(s.do(req, files))
	if err != nil {
		return err
	}
	_, err = conn.Write(text)
	return err
}

func (s *supervisor) do(req request, files []int) response {
	var answer response
	var err error
	switch {
	case req.Verb == verbStart && req.Service != nil:
		err = s.start(*req.Service, files)
	case req.Verb == verbStop:
		err = s.stop(req.Name)
	case req.Verb == verbSignal:
		err = s.kill(req.Name, unix.Signal(req.Signal))
	case req.Verb == verbList:
		answer.Services = s.list()
	default:
		err = fmt.Errorf("control: unknown verb %q", req.Verb)
	}
	if err != nil {
		answer.Error = err.Error()
	}
	return answer
}

func descriptors(oob []byte) ([]int, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var all []int
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return nil, err
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
		}
		all = append(all, fds...)
	}
	return all, nil
}
