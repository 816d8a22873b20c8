// SPDX-License-Identifier: Apache-2.0

// Package fault is the one error vocabulary of the core, the SDK and every plugin. Programs act on a fault's Code and
// Reason, never on its text.
package fault

import (
	"context"
	"errors"
	"fmt"
)

// Code is the class of a failure. The values are those of google.rpc.Code and part of the wire contract.
type Code int

// The classes, by gRPC's names and numbers.
const (
	OK                 Code = 0
	Canceled           Code = 1  // the caller gave up
	Unknown            Code = 2  // could not be classified
	InvalidArgument    Code = 3  // the caller must change the request
	DeadlineExceeded   Code = 4  // the outcome is unknown: look, then decide
	NotFound           Code = 5  // the named thing does not exist
	AlreadyExists      Code = 6  // it exists, and differs from what was asked
	PermissionDenied   Code = 7  // known, but not allowed
	ResourceExhausted  Code = 8  // quota or capacity ran out
	FailedPrecondition Code = 9  // the thing is in the wrong state
	Aborted            Code = 10 // lost against somebody newer
	Unimplemented      Code = 12 // not offered here
	Internal           Code = 13 // a bug, here or in the backend
	Unavailable        Code = 14 // try again later, unchanged
	DataLoss           Code = 15 // content is damaged
	Unauthenticated    Code = 16 // not known
)

// Error is a classified failure. Message is safe to show to users; Err is for logs only.
type Error struct {
	Code     Code
	Reason   Reason
	Message  string
	Fields   []FieldViolation
	Metadata map[string]string
	Err      error
}

// FieldViolation says what is wrong with one field. Field is an RFC 6901 JSON pointer: "/spec/cidr".
type FieldViolation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is(err, &Error{Reason: r}) true for every fault with that reason, across the wire too.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Reason != "" && t.Reason == e.Reason
}

// New returns a fault with the code that belongs to the reason. Like fmt.Errorf it honours %w, so the cause's text is
// part of Message: wrap only errors whose text users may see.
func New(reason Reason, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: reason.Code(), Reason: reason, Message: err.Error(), Err: errors.Unwrap(err)}
}

// Invalid returns an INVALID_FIELD fault for one field: its JSON pointer, what is wrong with the value, and the way out.
func Invalid(field, format string, args ...any) *Error {
	d := fmt.Sprintf(format, args...)
	return &Error{
		Code: InvalidArgument, Reason: InvalidField, Message: field + ": " + d,
		Fields: []FieldViolation{{Field: field, Description: d}},
	}
}

// At returns a copy of e that names the field of the request that it is about, as Invalid does.
func (e *Error) At(field string) *Error {
	c := *e
	c.Fields = []FieldViolation{{Field: field, Description: e.Message}}
	return &c
}

// Join merges the violations of several INVALID_FIELD faults into one, so that a caller learns all of them at once.
// It returns nil if there are none.
func Join(faults ...*Error) error {
	var all *Error
	for _, f := range faults {
		switch {
		case f == nil:
		case all == nil:
			c := *f
			all = &c
		default:
			all.Fields = append(all.Fields, f.Fields...)
			all.Message += "; " + f.Message
		}
	}
	if all == nil {
		return nil
	}
	return all
}

// With returns a copy of e with one more metadata entry.
func (e *Error) With(key, value string) *Error {
	c := *e
	c.Metadata = map[string]string{key: value}
	for k, v := range e.Metadata {
		if k != key {
			c.Metadata[k] = v
		}
	}
	return &c
}

// Of returns the fault that err is or wraps. Errors of other kinds come back as Internal, contexts' as Canceled or
// DeadlineExceeded; nil stays nil. A plain error's text stays in Err: it may hold what users must not see.
func Of(err error) *Error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.Canceled):
		return &Error{Code: Canceled, Reason: RequestCanceled, Message: "canceled", Err: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: DeadlineExceeded, Reason: Timeout, Message: "it took too long; the outcome is unknown", Err: err}
	}
	return &Error{Code: Internal, Reason: Bug, Message: "internal error", Err: err}
}

// CodeOf reports the class of err; OK for nil.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	return Of(err).Code
}

// ReasonOf reports the stable reason of err; empty for nil.
func ReasonOf(err error) Reason {
	if err == nil {
		return ""
	}
	return Of(err).Reason
}

// Temporary reports whether repeating the same call later, unchanged, may succeed.
func Temporary(err error) bool {
	if err == nil {
		return false
	}
	e := Of(err)
	return e.Code == Unavailable || e.Code == DeadlineExceeded || e.Reason == Busy
}
