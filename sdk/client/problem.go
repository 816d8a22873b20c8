// SPDX-License-Identifier: Apache-2.0

package client

import (
	"encoding/json"
	"io"
	"net/http"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Problem is a failure as the API shows it: RFC 9457, with a stable code.
type Problem struct {
	Type      string                 `json:"type"`
	Title     string                 `json:"title"`
	Status    int                    `json:"status"`
	Detail    string                 `json:"detail"`
	Code      fault.Reason           `json:"code"`
	Errors    []fault.FieldViolation `json:"errors,omitempty"`
	Metadata  map[string]string      `json:"metadata,omitempty"`
	RequestID string                 `json:"request_id"`
}

// RequestID is the key of fault.Error.Metadata under which the core's request id stands, for its log.
const RequestID = "request_id"

// maxProblem is how much of a failed response is looked at.
const maxProblem = 1 << 20

// problem turns a response that is not a success into a fault. What is not problem+json comes from something between
// here and the core.
func problem(response *http.Response) error {
	var p Problem
	err := json.NewDecoder(io.LimitReader(response.Body, maxProblem)).Decode(&p)
	if err != nil || p.Code == "" {
		return fault.New(foreignReason(response.StatusCode), "%s answered %s, which is not an answer of a core",
			response.Request.URL.Host, response.Status)
	}
	f := &fault.Error{Code: p.Code.Code(), Reason: p.Code, Message: p.Detail, Fields: p.Errors, Metadata: p.Metadata}
	if p.RequestID != "" {
		f = f.With(RequestID, p.RequestID)
	}
	return f
}

// foreignReason classifies a status that a proxy gave.
func foreignReason(status int) fault.Reason {
	switch {
	case status == http.StatusUnauthorized:
		return fault.Unauthorized
	case status == http.StatusForbidden:
		return fault.Forbidden
	case status == http.StatusNotFound:
		return fault.NoSuchRoute
	case status == http.StatusRequestEntityTooLarge:
		return fault.TooLarge
	case status >= http.StatusInternalServerError:
		return fault.CoreAway
	}
	return fault.Bug
}
