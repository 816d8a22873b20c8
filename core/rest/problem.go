// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/json"
	"net/http"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

const (
	problemType = "application/problem+json"
	errorsURL   = "https://github.com/rhyzome/rhyzome/blob/main/docs/errors.md#"
)

// problem is RFC 9457, with the stable code that programs act on.
type problem struct {
	Type      string              `json:"type" format:"uri" description:"Where the code is explained."`
	Title     string              `json:"title" description:"What the code means."`
	Status    int                 `json:"status"`
	Detail    string              `json:"detail" description:"What went wrong this time, for people."`
	Code      fault.Reason        `json:"code" description:"Stable; what programs act on. See docs/errors.md."`
	Errors    []core.ProblemField `json:"errors,omitempty" description:"Everything that is wrong with the request. A field is a JSON pointer into the body, or query:NAME, header:NAME."`
	Metadata  map[string]string   `json:"metadata,omitempty" description:"Facts about this failure, such as the operation that is in the way."`
	RequestID string              `json:"request_id" description:"Under which the core's log has the details."`
}

// httpStatus maps the classes of failure. Codes that are missing are 500.
var httpStatus = map[fault.Code]int{
	fault.Canceled:           499, // nobody is there to read it
	fault.InvalidArgument:    http.StatusBadRequest,
	fault.DeadlineExceeded:   http.StatusGatewayTimeout,
	fault.NotFound:           http.StatusNotFound,
	fault.AlreadyExists:      http.StatusConflict,
	fault.PermissionDenied:   http.StatusForbidden,
	fault.ResourceExhausted:  http.StatusConflict,
	fault.FailedPrecondition: http.StatusConflict,
	fault.Aborted:            http.StatusConflict,
	fault.Unimplemented:      http.StatusNotImplemented,
	fault.Unavailable:        http.StatusServiceUnavailable,
	fault.DataLoss:           http.StatusUnprocessableEntity,
	fault.Unauthenticated:    http.StatusUnauthorized,
}

// reasonStatus holds the reasons for which HTTP has a better word than their class has.
var reasonStatus = map[fault.Reason]int{
	fault.MethodNotAllow: http.StatusMethodNotAllowed,
	fault.TooLarge:       http.StatusRequestEntityTooLarge,
	fault.ETagMismatch:   http.StatusPreconditionFailed,
	fault.CIDROverlaps:   http.StatusConflict,
}

// Status returns the HTTP status of answers that failed for a reason. docs/errors.md shows it.
func Status(reason fault.Reason) int {
	return statusOf(&fault.Error{Code: reason.Code(), Reason: reason})
}

func statusOf(f *fault.Error) int {
	if status, ok := reasonStatus[f.Reason]; ok {
		return status
	}
	if status, ok := httpStatus[f.Code]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// fail answers a request with the problem that err is. What only the log may hold stays there.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := fault.Of(err)
	status := statusOf(f)
	if status == http.StatusInternalServerError {
		a.log.ErrorContext(r.Context(), "a request failed", "request", requestID(r.Context()), "error", f, "cause", f.Err)
	}
	p := problem{
		Type: errorsURL + string(f.Reason), Title: title(f.Reason), Status: status, Detail: f.Message,
		Code: f.Reason, Metadata: f.Metadata, RequestID: requestID(r.Context()),
	}
	for _, v := range f.Fields {
		p.Errors = append(p.Errors, core.ProblemField(v))
	}
	body, err := json.Marshal(p)
	if err != nil {
		a.log.ErrorContext(r.Context(), "a problem cannot be written", "error", err)
	}
	h := w.Header()
	h.Set("Content-Type", problemType)
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="rhyzome"`)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	a.reply(w, status, body)
}

func title(reason fault.Reason) string {
	for _, about := range fault.Reasons {
		if about.Reason == reason {
			return about.Meaning
		}
	}
	return "Something unforeseen went wrong."
}
