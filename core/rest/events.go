// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

const (
	// heartbeat is how often a silent stream says that it is alive.
	heartbeat = 15 * time.Second
	// patience is how long a reader may let a write wait.
	patience = 30 * time.Second
)

func (a *api) events() {
	addPlain[follow, eventStream](a, route{
		method: http.MethodGet, path: "/v1/events", id: "followEvents", tag: "events", title: "Follow what changes",
		about: "Server-sent events: the id of each is its position, its data one Event as JSON. The stream has no end; comments " +
			"keep it alive. After a lost connection a reader goes on after the last position that it saw.",
		status: http.StatusOK, faults: []fault.Reason{fault.UnknownResource},
	}, a.followEvents)
}

type follow struct {
	ofProject
	After       int64 `query:"after" json:"-" minimum:"0" description:"Position; 0 for everything that is kept."`
	LastEventID int64 `header:"Last-Event-ID" json:"-" minimum:"0" description:"As after, which it overrides; browsers send it when they reconnect."`
}

type eventStream struct {
	Stream string `contentType:"text/event-stream"`
}

// followEvents writes events until the reader goes, the events end or the server stops.
func (a *api) followEvents(w http.ResponseWriter, r *http.Request) {
	events, err := a.Events.Subscribe(r.Context(), position(r), r.URL.Query().Get("project"))
	if err != nil {
		a.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	s := &stream{w: w, control: http.NewResponseController(w)}
	s.unlimited()
	alive := time.NewTicker(heartbeat)
	defer alive.Stop()
	err = s.comment("rhyzome")
	for err == nil {
		select {
		case <-r.Context().Done():
			return
		case <-stopping(r.Context()):
			return
		case <-alive.C:
			err = s.comment("alive")
		case e, more := <-events:
			if !more {
				return
			}
			err = s.event(e)
		}
	}
	a.log.Debug("a reader of events went away", "request", requestID(r.Context()), "error", err)
}

// position is where to begin. The parameters were checked.
func position(r *http.Request) int64 {
	after, _ := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
	if last, err := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64); err == nil {
		return last
	}
	return after
}

// stream writes server-sent events, each with a deadline: a reader that does not read must not hold a connection.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// unlimited lifts the server's limits for whole requests.
func (s *stream) unlimited() { _ = s.control.SetReadDeadline(time.Time{}) }

func (s *stream) event(e core.Event) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return s.write(fmt.Sprintf("id: %d\ndata: %s\n\n", e.Position, data))
}

func (s *stream) comment(text string) error { return s.write(": " + text + "\n\n") }

func (s *stream) write(text string) error {
	_ = s.control.SetWriteDeadline(time.Now().Add(patience))
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}
