// SPDX-License-Identifier: Apache-2.0

// Package ubus is the stand-in for OpenWrt's bus: one socket, JSON instead of blobs, and the program ubus with the real
// one's arguments, output and exit codes for call, list and wait_for.
package ubus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// Socket is where programs of the router reach the bus.
const Socket = "/var/run/ubus/ubus.sock"

// Status is the outcome of a call; the program exits with it.
type Status int

// The statuses that calls here end with, by libubus's numbers.
const (
	OK              Status = 0
	InvalidArgument Status = 2
	MethodNotFound  Status = 3
	NotFound        Status = 4
	NoData          Status = 5
	UnknownError    Status = 9
)

var texts = map[Status]string{
	OK: "Success", InvalidArgument: "Invalid argument", MethodNotFound: "Method not found", NotFound: "Not found",
	NoData: "No response", UnknownError: "Unknown error",
}

// Error returns libubus's text.
func (s Status) Error() string { return texts[s] }

// Objects are what a bus carries.
type Objects interface {
	// Call answers with what is to be shown (nil for nothing), or with a Status as error.
	Call(object, method string, args json.RawMessage) (any, error)
	List() []string
}

type request struct {
	Object string          `json:"object,omitempty"` // none: list
	Method string          `json:"method,omitempty"`
	Args   json.RawMessage `json:"args,omitempty"`
}

type response struct {
	Status Status          `json:"status"`
	Data   json.RawMessage `json:"data,omitempty"`
	List   []string        `json:"list,omitempty"`
}

// Call calls a method and stores the answer in result, which may be nil. An error is a Status, or says that there is no bus.
func Call(ctx context.Context, object, method string, args, result any) error {
	text, err := json.Marshal(args)
	if err != nil {
		return err
	}
	answer, err := exchange(ctx, request{Object: object, Method: method, Args: text})
	if err != nil {
		return err
	}
	if answer.Status != OK {
		return fmt.Errorf("ubus call %s %s: %w", object, method, answer.Status)
	}
	if result == nil || answer.Data == nil {
		return nil
	}
	return json.Unmarshal(answer.Data, result)
}

func exchange(ctx context.Context, req request) (response, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", Socket)
	if err != nil {
		return response{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := json.NewEncoder(conn).Encode(req); err != nil {
		return response{}, err
	}
	var answer response
	return answer, json.NewDecoder(conn).Decode(&answer)
}

// Listen opens the bus's socket.
func Listen(ctx context.Context) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(Socket), 0o755); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(Socket); err != nil {
		return nil, err
	}
	return (&net.ListenConfig{}).Listen(ctx, "unix", Socket)
}

// Serve answers calls until the listener is closed.
func Serve(l net.Listener, objects Objects) error {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			var req request
			if err := json.NewDecoder(conn).Decode(&req); err != nil {
				return // the caller is gone
			}
			_ = json.NewEncoder(conn).Encode(answer(objects, req)) // it may be gone now, too
		}()
	}
}

func answer(objects Objects, req request) response {
	if req.Object == "" {
		return response{List: objects.List()}
	}
	data, err := objects.Call(req.Object, req.Method, req.Args)
	status := UnknownError
	switch {
	case err == nil && data == nil:
		return response{}
	case err == nil:
		text, err := json.Marshal(data)
		if err == nil {
			return response{Data: text}
		}
	default:
		errors.As(err, &status)
	}
	return response{Status: status}
}
