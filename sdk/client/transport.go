// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// transport sends requests and turns every failure into a fault.
type transport struct {
	http  *http.Client
	base  string
	token string
}

// request is one call. A body of type io.Reader is sent as it is, anything else as JSON.
type request struct {
	method string
	path   string
	query  url.Values
	header http.Header
	body   any
	size   int64 // of an io.Reader body; -1 if not known
}

// call sends a request and decodes the JSON answer into out, if that is not nil.
func (t *transport) call(ctx context.Context, r request, out any) error {
	response, err := t.send(ctx, r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, response.Body)
	} else {
		err = json.NewDecoder(response.Body).Decode(out)
	}
	if err != nil {
		return unreadable(ctx, err)
	}
	return nil
}

// send returns the response of a request that succeeded; the caller closes its body.
func (t *transport) send(ctx context.Context, r request) (*http.Response, error) {
	request, err := t.build(ctx, r)
	if err != nil {
		return nil, err
	}
	response, err := t.http.Do(request)
	if err != nil {
		return nil, unreachable(ctx, t.base, err)
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	return nil, problem(response)
}

func (t *transport) build(ctx context.Context, r request) (*http.Request, error) {
	body, kind, err := encode(r.body)
	if err != nil {
		return nil, err
	}
	address := t.base + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		return nil, fault.Invalid("/url", "%q cannot be requested", address)
	}
	for key, values := range r.header {
		request.Header[key] = values
	}
	request.Header.Set("User-Agent", "rhyzome-client")
	if t.token != "" {
		request.Header.Set("Authorization", "Bearer "+t.token)
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	if _, stream := r.body.(io.Reader); stream {
		request.ContentLength = r.size
	}
	return request, nil
}

// encode returns a body and its media type.
func encode(body any) (io.Reader, string, error) {
	switch b := body.(type) {
	case nil:
		return nil, "", nil
	case io.Reader:
		return b, "application/octet-stream", nil
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, "", fault.New(fault.InvalidField, "the request cannot be written as JSON")
	}
	return bytes.NewReader(raw), "application/json", nil
}

// unreachable classifies an error of net/http: given up, not trusted, or away.
func unreachable(ctx context.Context, base string, err error) error {
	if ctx.Err() != nil {
		return fault.Of(ctx.Err())
	}
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return fault.New(fault.CertRefused, "the certificate of %s is not trusted: %w", base, untrusted.Err)
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return fault.New(fault.CoreAway, "the core at %s does not answer: %w", base, err)
}

// unreadable classifies an error of reading an answer: cut off on the way, or not what this client understands.
func unreadable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fault.Of(ctx.Err())
	}
	return fault.New(fault.CoreAway, "the core's answer cannot be read: %w", err)
}

// path joins segments below /v1. An empty name is refused: it would address the collection.
func path(segments ...string) (string, error) {
	var b strings.Builder
	b.WriteString("/v1")
	for _, s := range segments {
		if s == "" || s == "." || s == ".." {
			return "", fault.New(fault.InvalidField, "%q is no id or name", s)
		}
		b.WriteString("/" + strings.ReplaceAll(url.PathEscape(s), ":", "%3A"))
	}
	return b.String(), nil
}
