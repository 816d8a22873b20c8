// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/swaggest/rest"
	"github.com/swaggest/rest/response"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// encoder writes what a use case returned. The output decides its headers: a resource has an ETag, what was created or
// accepted has a Location, a text is written as it is.
type encoder struct {
	response.Encoder
	api *api
}

type (
	resource interface{ Head() core.Meta }
	located  interface{ location(path string) string }
	text     interface{ text() string }
)

// WriteSuccessfulResponse answers a request that succeeded.
func (e *encoder) WriteSuccessfulResponse(w http.ResponseWriter, r *http.Request, out any, ht rest.HandlerTrait) {
	h := w.Header()
	if l, ok := out.(located); ok {
		h.Set("Location", l.location(r.URL.Path))
	}
	if made, ok := out.(resource); ok {
		head := made.Head()
		etag := strconv.Quote(strconv.FormatInt(head.Generation, 10))
		h.Set("ETag", etag)
		if ht.SuccessStatus == http.StatusCreated {
			h.Set("Location", r.URL.Path+"/"+head.ID)
		}
		if r.Method == http.MethodGet && matches(r.Header.Get("If-None-Match"), etag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	e.writeBody(w, r, out, ht.SuccessStatus)
}

func (e *encoder) writeBody(w http.ResponseWriter, r *http.Request, out any, status int) {
	if t, ok := out.(text); ok {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		e.api.reply(w, status, []byte(t.text()))
		return
	}
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	complete(reflect.ValueOf(out))
	var body bytes.Buffer
	j := json.NewEncoder(&body)
	j.SetEscapeHTML(false)
	if err := j.Encode(out); err != nil {
		e.api.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	e.api.reply(w, status, body.Bytes())
}

// matches reports whether If-None-Match lists the tag (RFC 9110, 13.1.2: weak comparison).
func matches(header, etag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
			return true
		}
	}
	return false
}

// reply writes a whole response. A client that went away is nobody's fault, and not worth a log line.
func (a *api) reply(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil && !errors.Is(err, http.ErrBodyNotAllowed) {
		a.log.Debug("a client went away", "error", fault.Of(err))
	}
}
