// SPDX-License-Identifier: Apache-2.0

package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/rest"
	"github.com/rhyzome/rhyzome/core/rest/resttest"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

type problem struct {
	Type, Title, Detail, Code string
	Status                    int
	RequestID                 string `json:"request_id"`
	Errors                    []fault.FieldViolation
	Metadata                  map[string]string
}

func problemOf(t *testing.T, w *httptest.ResponseRecorder) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%d %q is no problem: %v", w.Code, w.Body, err)
	}
	if w.Header().Get("Content-Type") != "application/problem+json" || p.Status != w.Code || p.Title == "" || p.Detail == "" ||
		!strings.HasSuffix(p.Type, "docs/errors.md#"+p.Code) || p.RequestID != w.Header().Get("X-Request-Id") {
		t.Errorf("problem = %+v, headers = %v", p, w.Header())
	}
	return p
}

func TestBadRequests(t *testing.T) {
	s := newCloud(t)
	s.must(201, "POST", "/v1/projects", `{"name":"alice"}`)
	const projects, networks, instances = "/v1/projects", "/v1/projects/alice/networks", "/v1/projects/alice/instances"
	long := strings.Repeat("x", 1<<20)
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		code               string
		fields             string
	}{
		"no body":              {"POST", projects, "", 400, "malformed_body", ""},
		"not JSON":             {"POST", projects, "{", 400, "malformed_body", ""},
		"cut in a string":      {"POST", projects, `{"name":"a`, 400, "malformed_body", ""},
		"an array":             {"POST", projects, "[]", 400, "malformed_body", ""},
		"null":                 {"POST", projects, "null", 400, "malformed_body", ""},
		"trailing garbage":     {"POST", projects, `{"name":"abc"} garbage`, 400, "malformed_body", ""},
		"two documents":        {"POST", projects, `{"name":"abc"}{"name":"abd"}`, 400, "malformed_body", ""},
		"not UTF-8":            {"POST", projects, "{\"name\":\"\xff\"}", 400, "malformed_body", ""},
		"a body to a get":      {"GET", projects, `{"name":"abc"}`, 400, "malformed_body", ""},
		"a body to an action":  {"POST", instances + "/web:start", `{"force":true}`, 400, "malformed_body", ""},
		"unknown field":        {"POST", projects, `{"name":"abc","nome":1}`, 400, "invalid_field", "/nome"},
		"unknown nested field": {"POST", networks, `{"name":"abc","spec":{"cidr":1}}`, 400, "invalid_field", "/spec/cidr"},
		"field in another case": {
			"POST", projects, `{"name":"abc","Labels":{}}`, 400, "invalid_field", "/Labels",
		},
		"a path parameter as a field": {
			"POST", networks, `{"name":"abc","Project":"bob","project":"bob"}`, 400, "invalid_field", "/Project /project",
		},
		"everything at once": {
			"POST", instances, `{"name":"Web","labels":{"a":1},"spec":{"kind":"pod","vcpus":0,"networks":[{"network":"a"},{}]},"x/y~":1}`,
			400, "invalid_field", "/labels/a /name /spec/image /spec/kind /spec/networks/1/network /spec/vcpus /x~1y~0",
		},
		"body and query at once": {
			"POST", projects + "?dry=1", `{"name":"abc","x":1}`, 400, "invalid_field", "/x query:dry",
		},
		"wrong type":           {"POST", projects, `{"name":"abc","labels":7}`, 400, "invalid_field", "/labels"},
		"null in a field":      {"POST", networks, `{"name":"abc","spec":{"wireguard":null}}`, 400, "invalid_field", "/spec/wireguard"},
		"NUL":                  {"POST", projects, `{"name":"abc","display_name":"a\u0000b"}`, 400, "invalid_field", "/display_name"},
		"NUL in a key":         {"POST", projects, `{"name":"abc","labels":{"a\u0000":"b"}}`, 400, "invalid_field", "/labels"},
		"fraction":             {"POST", instances, `{"name":"abc","spec":{"image":"i","vcpus":1.5}}`, 400, "invalid_field", "/spec/vcpus"},
		"huge number":          {"POST", instances, `{"name":"abc","spec":{"image":"i","disk_bytes":1e300}}`, 400, "invalid_field", "/spec/disk_bytes"},
		"huger number":         {"POST", instances, `{"name":"abc","spec":{"image":"i","disk_bytes":1e999999999}}`, 400, "invalid_field", "/spec/disk_bytes"},
		"unknown parameter":    {"GET", projects + "?limt=1", "", 400, "invalid_field", "query:limt"},
		"parameter unreadable": {"GET", projects + "?limit=1&after=%zz", "", 400, "invalid_field", "query"},
		"parameters by ;":      {"GET", projects + "?limit=1;after=a", "", 400, "invalid_field", "query"},
		"member twice":         {"POST", projects, `{"name":"abc","name":"abd"}`, 400, "malformed_body", ""},
		"nested member twice":  {"POST", projects, `{"name":"abc","labels":{"a":"b","c":"d","a":"e"}}`, 400, "malformed_body", ""},
		"parameter twice":      {"GET", projects + "?limit=1&limit=2", "", 400, "invalid_field", "query:limit"},
		"parameter not number": {"GET", projects + "?limit=ten", "", 400, "invalid_field", "query:limit"},
		"parameters too large": {"GET", projects + "?limit=1001&after=" + strings.Repeat("a", 200), "", 400, "invalid_field", "query:after query:limit"},
		"number overflows":     {"GET", "/v1/events?after=99999999999999999999", "", 400, "invalid_field", "query:after"},
		"too large":            {"POST", projects, `{"name":"` + long + `"}`, 413, "too_large", ""},
		"no such project":      {"GET", "/v1/projects/nobody", "", 404, "unknown_resource", ""},
		"no name":              {"GET", "/v1/projects/%00", "", 404, "unknown_resource", ""},
		"a slash in a name":    {"GET", "/v1/projects/a%2fb", "", 404, "unknown_resource", ""},
		"percent":              {"GET", "/v1/projects/100%25", "", 404, "unknown_resource", ""},
		"no such path":         {"GET", "/v1/nothing", "", 404, "no_such_route", ""},
		"empty name":           {"DELETE", "/v1/projects/", "", 404, "no_such_route", ""},
		"method":               {"PATCH", projects, "{}", 405, "method_not_allowed", ""},
		"action is a get":      {"GET", instances + "/web:start", "", 404, "unknown_resource", ""},
		"taken":                {"POST", projects, `{"name":"alice"}`, 409, "name_taken", ""},
		"rule of the use case": {"POST", networks, `{"name":"abc","spec":{"ipv4_cidr":"10.0/8"}}`, 400, "invalid_field", "/spec/ipv4_cidr"},
	} {
		w := s.do(c.method, c.path, c.body)
		p := problemOf(t, w)
		var fields []string
		for _, e := range p.Errors {
			fields = append(fields, e.Field)
		}
		if w.Code != c.status || p.Code != c.code || strings.Join(fields, " ") != c.fields {
			t.Errorf("%s: %d %s %q, want %d %s %q\n%s", name, w.Code, p.Code, fields, c.status, c.code, c.fields, w.Body)
		}
		for _, leak := range []string{"Go ", "struct", "json:", "unmarshal", "#/", "schema", "urn:"} {
			if strings.Contains(w.Body.String(), leak) {
				t.Errorf("%s: the answer tells %q: %s", name, leak, w.Body)
			}
		}
	}
}

func TestBodyMustBeJSON(t *testing.T) {
	s := newCloud(t)
	for kind, want := range map[string]int{
		"application/json": 201, "application/json; charset=utf-8": 201, "": 400, "text/plain": 400,
		"application/x-www-form-urlencoded": 400, "application/jsonx": 400, ";": 400,
	} {
		w := s.do("POST", "/v1/projects", fmt.Sprintf(`{"name":"n%d"}`, len(kind)), "Content-Type: "+kind)
		if w.Code != want {
			t.Errorf("Content-Type %q = %d, want %d", kind, w.Code, want)
		}
	}
}

func TestValuesAreNotEchoed(t *testing.T) {
	s := newCloud(t)
	s.must(201, "POST", "/v1/projects", `{"name":"alice"}`)
	for _, body := range []string{
		`{"name":"hunter2!"}`, `{"name":"a","spec":{"public_key":"hunter2!"}}`, `{"name":"a","spec":{"egress":"hunter2!"}}`,
		`{"name":"a","labels":{"x":["hunter2!"]}}`, `{"name":"a","spec":"hunter2!"}`, `{"name":"a" hunter2!`,
	} {
		w := s.do("POST", "/v1/projects/alice/networks", body)
		if w.Code != 400 || strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("%s = %d %s", body, w.Code, w.Body)
		}
	}
	if strings.Contains(s.log.String(), "hunter2") || strings.Contains(s.log.String(), s.token) {
		t.Errorf("the log holds a secret:\n%s", s.log)
	}
}

func TestManyFaultsAreCut(t *testing.T) {
	s := newCloud(t)
	var body strings.Builder
	body.WriteString(`{"name":"abc"`)
	for i := range 20000 {
		fmt.Fprintf(&body, `,"%s%d":0`, strings.Repeat("k", 20), i)
	}
	w := s.do("POST", "/v1/projects", body.String()+"}")
	if p := problemOf(t, w); len(p.Errors) != 51 || w.Body.Len() > 10000 {
		t.Errorf("%d errors in %d bytes", len(p.Errors), w.Body.Len())
	}
}

func TestWhoIsLetIn(t *testing.T) {
	s := newCloud(t)
	for header, want := range map[string]int{
		"Bearer " + s.token: 200, "bearer " + s.token: 200, "Bearer  " + s.token: 200, "": 401, "Bearer": 401, "Bearer ": 401,
		"Bearer x": 401, "Basic " + s.token: 401, s.token: 401, "Bearer " + s.token + "x": 401,
	} {
		w := s.do("GET", "/v1/projects", "", "Authorization: "+header)
		if w.Code != want {
			t.Errorf("%q = %d, want %d", header, w.Code, want)
		}
		if want == 401 && (problemOf(t, w).Code != "unauthorized" || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer")) {
			t.Errorf("%q: %s %v", header, w.Body, w.Header())
		}
	}
	if w := s.do("GET", "/v1/events", "", "Authorization: "); w.Code != 401 {
		t.Errorf("events without a token = %d", w.Code)
	}
	if w := s.do("POST", "/v1/projects", "{", "Authorization: "); w.Code != 401 {
		t.Errorf("a stranger's body was looked at: %d", w.Code)
	}
}

func TestMethodNotAllowedSaysWhatIs(t *testing.T) {
	s := newCloud(t)
	for path, want := range map[string]string{
		"/v1/projects":       "GET HEAD POST",
		"/v1/projects/alice": "GET HEAD DELETE",
		"/v1/projects/alice/images/debian/content": "PUT",
		"/v1/hosts/hv1:cordon":                     "POST",
	} {
		w := s.do("PATCH", path, "")
		if p := problemOf(t, w); w.Code != 405 || p.Code != "method_not_allowed" {
			t.Errorf("%s = %d %s", path, w.Code, p.Code)
		}
		if got := strings.Join(w.Header().Values("Allow"), " "); !strings.Contains(got, want) {
			t.Errorf("%s allows %q, want %q", path, got, want)
		}
	}
}

// broken is a use case that does not what it should.
type broken struct {
	rest.Projects
	err error
}

func (b *broken) Get(context.Context, string) (core.Project, error) {
	if b.err == nil {
		panic("secret of the panic")
	}
	return core.Project{}, b.err
}

func TestFaultsOfUseCases(t *testing.T) {
	project := &broken{}
	services := resttest.New().Services()
	services.Projects = project
	s := newSite(t, services)
	for name, c := range map[string]struct {
		err    error
		status int
		code   string
		says   string
	}{
		"plain":    {errors.New("dial unix /var/secret"), 500, "internal", "internal error"},
		"panic":    {nil, 500, "internal", "internal error"},
		"wrapped":  {fmt.Errorf("x: %w", fault.New(fault.SubnetFull, "the subnet is full")), 409, "subnet_full", "the subnet is full"},
		"canceled": {context.Canceled, 499, "canceled", "canceled"},
		"timeout":  {context.DeadlineExceeded, 504, "timeout", "it took too long"},
		"away":     {fault.New(fault.ProviderAway, "provider hv1 is away"), 503, "provider_unreachable", "provider hv1"},
		"busy":     {fault.New(fault.ResourceBusy, "busy").With("operation", "7"), 409, "resource_busy", "busy"},
		"etag":     {fault.New(fault.ETagMismatch, "changed"), 412, "etag_mismatch", "changed"},
		"digest":   {fault.New(fault.DigestMismatch, "differs"), 422, "digest_mismatch", "differs"},
		"ability":  {fault.New(fault.NoCapability, "no power"), 501, "no_capability", "no power"},
		"denied":   {fault.New(fault.Forbidden, "no"), 403, "forbidden", "no"},
	} {
		project.err = c.err
		s.log.Reset()
		w := s.do("GET", "/v1/projects/x", "")
		p := problemOf(t, w)
		if w.Code != c.status || p.Code != c.code || !strings.Contains(p.Detail, c.says) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: %d %s, want %d %s", name, w.Code, w.Body, c.status, c.code)
		}
		if c.status == 500 && (!strings.Contains(s.log.String(), "secret") || !strings.Contains(s.log.String(), p.RequestID)) {
			t.Errorf("%s: the log does not tell the cause and the request:\n%s", name, s.log)
		}
		if name == "busy" && p.Metadata["operation"] != "7" {
			t.Errorf("metadata = %v", p.Metadata)
		}
	}
}

func TestEveryReasonHasAStatus(t *testing.T) {
	project := &broken{}
	services := resttest.New().Services()
	services.Projects = project
	s := newSite(t, services)
	for _, about := range fault.Reasons {
		project.err = fault.New(about.Reason, "x")
		w := s.do("GET", "/v1/projects/x", "")
		if about.Code != fault.Internal && w.Code == 500 || problemOf(t, w).Title != about.Meaning {
			t.Errorf("%s = %d %s", about.Reason, w.Code, w.Body)
		}
	}
}
