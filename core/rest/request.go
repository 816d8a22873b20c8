// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/rhyzome/rhyzome/core/auth"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

const requestIDHeader = "X-Request-Id"

var requestIDShape = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

type requestIDKey struct{}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// observe gives each request an id, logs how it ended, and turns a panic into a problem.
func (a *api) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if !requestIDShape.MatchString(id) {
			id = rand.Text()
		}
		r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
		seen := &statusWriter{ResponseWriter: w}
		seen.Header().Set(requestIDHeader, id)
		began := time.Now()
		defer a.ended(seen, r, began)
		next.ServeHTTP(seen, r)
	})
}

// ended must be deferred itself: it recovers.
func (a *api) ended(w *statusWriter, r *http.Request, began time.Time) {
	if p := recover(); p != nil {
		a.log.ErrorContext(r.Context(), "a request panicked", "request", requestID(r.Context()),
			"error", fmt.Sprint(p), "stack", string(debug.Stack()))
		if w.status != 0 {
			panic(http.ErrAbortHandler) // half a response is written: the client must see that it is cut off
		}
		a.fail(w, r, fault.New(fault.Bug, "internal error"))
	}
	a.log.InfoContext(r.Context(), "request", "request", requestID(r.Context()), "method", r.Method, "path", r.URL.Path,
		"status", w.status, "duration", time.Since(began))
}

// statusWriter remembers the status that was written.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the first final status.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write writes part of the body.
func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap gives http.ResponseController the way to the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// headers are those of every response: an API's answers are kept by nobody and shown as nothing else.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// authenticate lets through who has a valid token.
func (a *api) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			token = ""
		}
		principal, err := a.tokens.Authenticate(strings.TrimSpace(token))
		if err != nil {
			a.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(auth.With(r.Context(), principal)))
	})
}
