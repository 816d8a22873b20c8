// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Event is the fact that something changed.
type Event struct {
	Position int64       `json:"position"` // cursor; readers resume after it
	At       time.Time   `json:"at"`
	Type     string      `json:"type"` // "instance.created"
	Project  string      `json:"project,omitempty"`
	Resource ResourceRef `json:"resource"`
	Message  string      `json:"message,omitempty"`
}

// Events is the client of /v1/events.
type Events struct{ t *transport }

// maxEvent is the longest line of the stream that is read.
const maxEvent = 1 << 20

// Watch yields the events after a position, of one project or of all if project is empty, then new ones as they come,
// until ctx ends. A lost connection is made anew and goes on where it stopped; any other error is yielded and the last.
func (s *Events) Watch(ctx context.Context, after int64, project string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		pause := waitShortest
		for {
			more, err := s.stream(ctx, after, project, func(e Event) bool {
				after, pause = e.Position, waitShortest
				return yield(e, nil)
			})
			if !more {
				return
			}
			if err != nil && !away(err) {
				yield(Event{}, err)
				return
			}
			if err := sleep(ctx, pause); err != nil {
				yield(Event{}, err)
				return
			}
			pause = min(pause*2, waitLongest)
		}
	}
}

// stream reads one connection's events until it ends or yield says that it is enough.
func (s *Events) stream(ctx context.Context, after int64, project string, yield func(Event) bool) (more bool, err error) {
	q := url.Values{"after": {strconv.FormatInt(after, 10)}}
	if project != "" {
		q.Set("project", project)
	}
	accept := http.Header{"Accept": {"text/event-stream"}}
	response, err := s.t.send(ctx, request{method: http.MethodGet, path: "/v1/events", query: q, header: accept})
	if err != nil {
		return true, err
	}
	defer response.Body.Close()
	for data, err := range messages(response.Body) {
		if err != nil {
			return true, unreadable(ctx, err)
		}
		var e Event
		if err := json.Unmarshal(data, &e); err != nil {
			return true, fault.New(fault.Bug, "an event cannot be read: %w", err)
		}
		if !yield(e) {
			return false, nil
		}
	}
	return true, nil
}

// messages yields the data of server-sent events (https://html.spec.whatwg.org, 9.2); comments and other fields are
// passed over.
func messages(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, maxEvent)
		var data []byte
		for lines.Scan() {
			line := lines.Bytes()
			if len(line) == 0 && len(data) > 0 {
				if !yield(data, nil) {
					return
				}
				data = nil
			}
			if value, found := bytes.CutPrefix(line, []byte("data:")); found {
				data = append(append(data, bytes.TrimPrefix(value, []byte(" "))...), '\n')
			}
		}
		if err := lines.Err(); err != nil {
			yield(nil, err)
		}
	}
}
