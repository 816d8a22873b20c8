// SPDX-License-Identifier: Apache-2.0

package rest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/rhyzome/rhyzome/core/rest"
	"github.com/rhyzome/rhyzome/core/rest/resttest"
)

// TestContract sends requests that are made of the document, and broken in every way: each answer must be one that the
// document describes, and each request that was accepted must be valid by it.
func TestContract(t *testing.T) {
	raw, err := rest.Document()
	if err != nil {
		t.Fatal(err)
	}
	d, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		t.Fatal(err)
	}
	openapi3filter.RegisterBodyDecoder("application/problem+json", openapi3filter.JSONBodyDecoder)
	c := &contract{document: d, operations: operationsOf(d), rng: rand.New(rand.NewPCG(1, 2)), seen: map[int]int{}}
	for i := range 1500 {
		if i%250 == 0 { // the cloud fills up
			c.prepare(t)
		}
		c.one(t)
	}
	for _, status := range []int{200, 201, 202, 204, 304, 400, 401, 404, 409, 422} {
		if c.seen[status] == 0 {
			t.Errorf("no answer was %d: the requests do not reach far enough: %v", status, c.seen)
		}
	}
}

// contract makes requests and judges answers.
type contract struct {
	site       *site
	document   *openapi3.T
	operations []operation
	rng        *rand.Rand
	seen       map[int]int // answers by status
}

type operation struct {
	method, path string
	*openapi3.Operation
}

func operationsOf(d *openapi3.T) (all []operation) {
	for path, item := range d.Paths.Map() {
		for method, op := range item.Operations() {
			if op.OperationID != "followEvents" { // it has no end
				all = append(all, operation{method, path, op})
			}
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.OperationID, b.OperationID) })
	return all
}

// prepare makes a cloud with things that names can meet.
func (c *contract) prepare(t *testing.T) {
	t.Helper()
	c.site = newSite(t, resttest.New().Services())
	s := c.site
	s.must(201, "POST", "/v1/projects", `{"name":"abc"}`)
	s.must(202, "POST", "/v1/projects/abc/networks", `{"name":"abc"}`)
	s.must(202, "POST", "/v1/projects/abc/networks/abc/peers", `{"name":"abc","spec":{"public_key":"`+strings.Repeat("k", 43)+`="}}`)
	s.must(201, "POST", "/v1/projects/abc/images", `{"name":"abc","spec":{"format":"raw"}}`)
	s.must(200, "PUT", "/v1/projects/abc/images/abc/content", "x")
	s.must(201, "POST", "/v1/projects/abc/images", `{"name":"nope","spec":{"format":"raw","sha256":"`+strings.Repeat("0", 64)+`"}}`)
	s.must(202, "POST", "/v1/projects/abc/instances", `{"name":"abc","spec":{"image":"abc"}}`)
	s.must(201, "POST", "/v1/fabrics", `{"name":"abc","spec":{"kind":"vlan","segment_min":1,"segment_max":2}}`)
	s.must(201, "POST", "/v1/providers:token", `{"name":"abc"}`)
}

func (c *contract) one(t *testing.T) {
	t.Helper()
	op := c.operations[c.rng.IntN(len(c.operations))]
	body := c.body(op)
	r, params := c.request(op, body)
	w := httptest.NewRecorder()
	c.site.handler.ServeHTTP(w, r)
	c.seen[w.Code]++
	if w.Code == http.StatusInternalServerError {
		t.Errorf("%s %s %.300s\n-> %d %s\n%s", r.Method, r.URL, body, w.Code, w.Body, c.site.log)
	}
	c.judge(t, op, r, params, body, w)
}

// judge holds the answer, and a request that was accepted, against the document.
func (c *contract) judge(t *testing.T, op operation, r *http.Request, params map[string]string, body []byte, w *httptest.ResponseRecorder) {
	t.Helper()
	if op.Responses.Value(fmt.Sprint(w.Code)) == nil {
		t.Errorf("%s %s %.300s\n-> %d is not described: %s", r.Method, r.URL, body, w.Code, w.Body)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	route := &routers.Route{Spec: c.document, Path: op.path, PathItem: c.document.Paths.Value(op.path), Method: op.method, Operation: op.Operation}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true,
	}}
	err := openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: w.Code, Header: w.Header(), Body: io.NopCloser(bytes.NewReader(w.Body.Bytes())), Options: in.Options,
	})
	if err != nil {
		t.Errorf("%s %s %.300s\n-> %d %.500s\n%v", r.Method, r.URL, body, w.Code, w.Body, err)
	}
	if w.Code < 300 {
		if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil {
			t.Errorf("%s %s %.300s was accepted: %v", r.Method, r.URL, body, err)
		}
	}
}

// there are names that prepare made, by the parameter that they are for. The image nope takes no content that it gets.
var there = map[string][2]string{
	"project": {"abc", "abc"}, "network": {"abc", "abc"}, "instance": {"abc", "abc"}, "image": {"abc", "nope"},
	"fabric": {"abc", "abc"}, "provider": {"abc", "site"}, "host": {"hv1", "hv2"}, "router": {"gw", "gw"}, "peer": {"abc", "abc"},
	"operation": {"019b76da-a800-7000-8000-000000000007", "019b76da-a800-7000-8000-000000000011"},
}

func pick[T any](c *contract, of ...T) T { return of[c.rng.IntN(len(of))] }

func (c *contract) request(op operation, body []byte) (*http.Request, map[string]string) {
	path, query, params := op.path, url.Values{}, map[string]string{}
	known := c.rng.IntN(4) != 0 // things that are there
	for _, p := range op.Parameters {
		switch {
		case p.Value.In == "path":
			value := pick(c, "abc", "nope", "%00", "%C3%BC", "a%2Fb", "..%2F", strings.Repeat("a", 200))
			if known {
				value = there[p.Value.Name][c.rng.IntN(2)]
			}
			path = strings.Replace(path, "{"+p.Value.Name+"}", value, 1)
			params[p.Value.Name], _ = url.PathUnescape(value)
		case p.Value.In == "query" && c.rng.IntN(3) == 0:
			query.Add(p.Value.Name, pick(c, "1", "1000", "1001", "-1", "abc", "", "99999999999999999999", "a b", "\x00"))
		}
	}
	if c.rng.IntN(15) == 0 {
		query.Add(pick(c, "x", "limit", "after", ""), "1")
	}
	target := &url.URL{Scheme: "http", Host: "core", RawQuery: query.Encode()}
	target.RawPath = path
	target.Path, _ = url.PathUnescape(path)
	r := httptest.NewRequest(op.method, "http://core/", bytes.NewReader(body))
	r.URL = target
	r.ContentLength = int64(len(body))
	if c.rng.IntN(20) != 0 {
		r.Header.Set("Authorization", "Bearer "+c.site.token)
	}
	if op.RequestBody != nil {
		r.Header.Set("Content-Type", "application/json")
		if op.RequestBody.Value.Content["application/json"] == nil {
			r.Header.Set("Content-Type", "application/octet-stream")
		} else if c.rng.IntN(20) == 0 {
			r.Header.Set("Content-Type", pick(c, "text/plain", "", "application/json; charset=utf-8", ";"))
		}
	}
	if c.rng.IntN(5) == 0 {
		r.Header.Set("If-None-Match", pick(c, `"1"`, `*`, `x`))
	}
	return r, params
}

// body returns a body that is mostly right, with something wrong here and there.
func (c *contract) body(op operation) []byte {
	if op.RequestBody == nil {
		return pick(c, nil, nil, nil, nil, []byte("{}"), []byte(`{"a":1}`), []byte("x"))
	}
	media := op.RequestBody.Value.Content["application/json"]
	if media == nil {
		return []byte(pick(c, "", "content", "{"))
	}
	if c.rng.IntN(15) == 0 {
		return []byte(pick(c, "", "null", "[]", "{", "\xff\xfe", `{"name":"a"}x`, `"s"`, "7", `{"name":"abc","name":"x"}`))
	}
	value := c.value(media.Schema.Value, 0)
	raw, err := json.Marshal(value)
	if err != nil {
		c.site.t.Fatal(err)
	}
	return raw
}

// value makes a value of a schema: one time in twelve something else.
func (c *contract) value(s *openapi3.Schema, depth int) any {
	if c.rng.IntN(12) == 0 || depth > 6 {
		return c.junk(depth)
	}
	switch {
	case len(s.Enum) > 0:
		return pick(c, s.Enum...)
	case s.Type.Is("object"):
		return c.object(s, depth)
	case s.Type.Is("array"):
		var items []any
		for range c.rng.IntN(3) {
			items = append(items, c.value(s.Items.Value, depth+1))
		}
		return append([]any{}, items...)
	case s.Type.Is("integer"):
		return pick[any](c, 1, 1, 2, 100, 1<<29, -1, 0, 1.5, 1e300, json.Number("9223372036854775807"), json.Number("9223372036854775808"))
	case s.Type.Is("boolean"):
		return c.rng.IntN(2) == 0
	}
	return c.text(s)
}

func (c *contract) text(s *openapi3.Schema) string {
	unique := fmt.Sprintf("n%d", c.rng.IntN(1e6))
	key := strings.Repeat("k", 43) + "="
	digest := strings.Repeat("0", 64)
	return pick(c, "abc", "abc", unique, unique, unique, key, digest, "10.0.0.0/24", "", "Ünï", "a\x00b", strings.Repeat("x", int(s.MinLength)+300))
}

func (c *contract) object(s *openapi3.Schema, depth int) any {
	o := map[string]any{}
	for name, property := range s.Properties {
		if slices.Contains(s.Required, name) && c.rng.IntN(12) != 0 || c.rng.IntN(4) == 0 {
			o[name] = c.value(property.Value, depth+1)
		}
	}
	if more := s.AdditionalProperties.Schema; more != nil {
		o[pick(c, "k", "a/b", "", "ü", "~")] = c.value(more.Value, depth+1)
	} else if c.rng.IntN(20) == 0 {
		o[pick(c, "zzz", "Name", "NAME", "Project", "a/b~c", "")] = c.junk(depth)
	}
	return o
}

func (c *contract) junk(depth int) any {
	if depth > 8 {
		return "deep"
	}
	switch c.rng.IntN(9) {
	case 0:
		return nil
	case 1:
		return true
	case 2:
		return c.rng.IntN(100) - 50
	case 3:
		return 1e308
	case 4:
		return strings.Repeat("x", c.rng.IntN(300))
	case 5:
		return "\u0000\uffff<>&\"'"
	case 6:
		return []any{c.junk(depth + 1), c.junk(depth + 1)}
	case 7:
		return map[string]any{"a": c.junk(depth + 1), "name": c.junk(depth + 1)}
	}
	return "abc"
}
