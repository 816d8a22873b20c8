// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
)

const (
	// maxCalls is how many calls of a case are kept.
	maxCalls = 12
	// maxMessage is how much of a message is shown, in characters.
	maxMessage = 400
)

// Call is one call that a case made, for whoever looks for the fault.
type Call struct {
	Method   string  `yaml:"method"` // "InstanceService/ApplyInstance"
	Request  string  `yaml:"request,omitempty"`
	Response string  `yaml:"response,omitempty"` // of a stream the last message
	Error    string  `yaml:"error,omitempty"`
	Seconds  float64 `yaml:"seconds"`
}

// journal remembers the last calls, over restarts of the provider.
type journal struct {
	mu    sync.Mutex
	calls []*Call
}

// trace is a connection that writes the journal.
type trace struct {
	grpc.ClientConnInterface
	*journal
}

// Invoke implements grpc.ClientConnInterface.
func (t trace) Invoke(ctx context.Context, method string, req, reply any, o ...grpc.CallOption) error {
	call, began := t.begin(method), time.Now()
	err := t.ClientConnInterface.Invoke(ctx, method, req, reply, o...)
	t.mu.Lock()
	defer t.mu.Unlock()
	call.Request, call.Seconds = shown(req), time.Since(began).Seconds()
	if err != nil {
		call.Error = explained(err)
	} else {
		call.Response = shown(reply)
	}
	return err
}

// NewStream implements grpc.ClientConnInterface.
func (t trace) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, o ...grpc.CallOption) (grpc.ClientStream, error) {
	call := t.begin(method)
	stream, err := t.ClientConnInterface.NewStream(ctx, desc, method, o...)
	if err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		call.Error = explained(err)
		return nil, err
	}
	return &tracedStream{ClientStream: stream, journal: t.journal, call: call, began: time.Now()}, nil
}

type tracedStream struct {
	grpc.ClientStream
	journal *journal
	call    *Call
	began   time.Time
}

// SendMsg implements grpc.ClientStream.
func (s *tracedStream) SendMsg(m any) error {
	s.note(func(c *Call) {
		if c.Request == "" {
			c.Request = shown(m)
		}
	})
	return s.ClientStream.SendMsg(m)
}

// RecvMsg implements grpc.ClientStream.
func (s *tracedStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	s.note(func(c *Call) {
		switch {
		case err == nil:
			c.Response = shown(m)
		case errors.Is(err, io.EOF):
			c.Response += " (end)"
		default:
			c.Error = explained(err)
		}
	})
	return err
}

func (s *tracedStream) note(change func(*Call)) {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	change(s.call)
	s.call.Seconds = time.Since(s.began).Seconds()
}

func (j *journal) begin(method string) *Call {
	j.mu.Lock()
	defer j.mu.Unlock()
	call := &Call{Method: method[strings.LastIndex(method[:strings.LastIndex(method, "/")], ".")+1:]}
	if len(j.calls) == maxCalls {
		j.calls = j.calls[1:]
	}
	j.calls = append(j.calls, call)
	return call
}

// take returns the calls since it was last called.
func (j *journal) take() []Call {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []Call
	for _, c := range j.calls {
		all = append(all, *c)
	}
	j.calls = nil
	return all
}

// shown renders a message on one line. The provider's configuration may hold secrets, and is left out.
func shown(m any) string {
	message, ok := m.(proto.Message)
	if !ok {
		return ""
	}
	if c, ok := m.(*pb.ConfigureRequest); ok {
		message = &pb.ConfigureRequest{Generation: c.GetGeneration(), FenceFloor: c.GetFenceFloor()}
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(message)
	if err != nil {
		return err.Error()
	}
	if len(text) > maxMessage {
		return string(text[:maxMessage]) + " (cut)"
	}
	return string(text)
}

// explained renders what a call failed with, and its details.
func explained(err error) string {
	st, ok := status.FromError(err)
	if !ok {
		return err.Error()
	}
	text := st.Code().String() + ": " + st.Message()
	for _, d := range st.Details() {
		text += " " + shown(d)
	}
	return text
}
