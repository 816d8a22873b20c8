// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// maxJSON is the largest JSON body, in bytes.
const maxJSON = 1 << 20

// How long an upload may pause, and how long its end may take to be stored.
const (
	uploadPause = time.Minute
	uploadEnd   = 5 * time.Minute
)

// limit refuses a body that is too large: at once if it says so, else when it turns out.
func (a *api) limit(r route) func(http.Handler) http.Handler {
	most := r.maxBody
	if most == 0 {
		most = maxJSON
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if q.ContentLength > most {
				a.fail(w, q, unreadable(&http.MaxBytesError{Limit: most}))
				return
			}
			q.Body = http.MaxBytesReader(w, q.Body, most)
			if r.maxBody > 0 {
				q.Body = &upload{ReadCloser: q.Body, control: http.NewResponseController(w)}
			}
			next.ServeHTTP(w, q)
		})
	}
}

// upload is a body that the handler passes on as it comes. The server's limit for a whole request becomes one for each
// part of it; a connection that cannot do so keeps the server's.
type upload struct {
	io.ReadCloser
	control *http.ResponseController
}

// Read reads the next part.
func (u *upload) Read(p []byte) (int, error) {
	now := time.Now()
	err := errors.Join(u.control.SetReadDeadline(now.Add(uploadPause)), u.control.SetWriteDeadline(now.Add(uploadEnd)))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, unreadable(err)
	}
	n, err := u.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = unreadable(err)
	}
	return n, err
}

// unreadable classifies an error of reading a body.
func unreadable(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return fault.New(fault.TooLarge, "the body is larger than %d bytes", large.Limit)
	}
	return fault.New(fault.MalformedBody, "the body was cut off")
}
