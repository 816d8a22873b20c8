// SPDX-License-Identifier: Apache-2.0

package rest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/core/auth"
	"github.com/rhyzome/rhyzome/core/rest"
	"github.com/rhyzome/rhyzome/core/rest/resttest"
)

// site is the API on a cloud in memory.
type site struct {
	t       testing.TB
	handler http.Handler
	token   string
	log     *bytes.Buffer
}

func newSite(t testing.TB, services rest.Services) *site {
	t.Helper()
	dir := t.TempDir()
	tokens, err := auth.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(filepath.Join(dir, auth.OperatorTokenFile))
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, token: strings.TrimSpace(string(token)), log: &bytes.Buffer{}}
	s.handler, err = rest.New(services, tokens, slog.New(slog.NewTextHandler(s.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newCloud(t *testing.T) *site {
	t.Helper()
	return newSite(t, resttest.New().Services())
}

// do sends a request; headers are "Name: value", and an empty value removes one.
func (s *site) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, io.NopCloser(strings.NewReader(body)))
	r.ContentLength = int64(len(body))
	r.Header.Set("Authorization", "Bearer "+s.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// must sends a request that has to have a status, and returns its JSON.
func (s *site) must(status int, method, path, body string, headers ...string) map[string]any {
	s.t.Helper()
	w := s.do(method, path, body, headers...)
	if w.Code != status {
		s.t.Fatalf("%s %s = %d %s, want %d", method, path, w.Code, w.Body, status)
	}
	var v map[string]any
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
			s.t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
		}
	}
	return v
}

func TestOneOfEachFromCreationToDeletion(t *testing.T) {
	s := newCloud(t)
	const in = "/v1/projects/alice"
	s.must(201, "POST", "/v1/projects", `{"name":"alice","labels":{"team":"a/b"}}`)
	s.must(201, "POST", "/v1/fabrics", `{"name":"lab","spec":{"kind":"vlan","segment_min":100,"segment_max":199}}`)
	s.must(202, "POST", in+"/networks", `{"name":"lan"}`)
	s.must(201, "POST", in+"/images", `{"name":"debian","spec":{"format":"qcow2"}}`)
	image := s.must(200, "PUT", in+"/images/debian/content", "not JSON {", "Content-Type: application/octet-stream")
	if size := image["status"].(map[string]any)["size_bytes"]; size != 10.0 {
		t.Errorf("size = %v", size)
	}
	a := s.must(202, "POST", in+"/instances", `{"name":"web","spec":{"image":"debian","networks":[{"network":"lan"}]}}`)
	spec := a["resource"].(map[string]any)["spec"].(map[string]any)
	if spec["kind"] != "vm" || spec["vcpus"] != 1.0 || spec["memory_bytes"] != float64(512<<20) || spec["power"] != "running" {
		t.Errorf("defaults are not filled in: %v", spec)
	}
	operation := "/v1/operations/" + a["operation"].(map[string]any)["id"].(string)
	for range 3 {
		a = s.must(200, "GET", operation, "")
	}
	if a["state"] != "succeeded" {
		t.Fatalf("operation = %v", a)
	}
	s.must(202, "POST", in+"/instances/web:reboot", `{"hard":true}`)
	s.must(409, "POST", in+"/instances/web:stop", "")
	s.must(202, "POST", in+"/networks/lan/peers", `{"name":"laptop","spec":{"public_key":"bGFwdG9wIHB1YmxpYyBrZXkgb2YgdGhpcnR5MiBieXQ="}}`)
	if w := s.do("GET", in+"/networks/lan/peers/laptop/config", ""); w.Code != 200 || !strings.HasPrefix(w.Body.String(), "[Interface]\n") ||
		w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("config = %d %q", w.Code, w.Body)
	}
	s.must(409, "DELETE", in, "")
	s.must(202, "DELETE", in+"/networks/lan/peers/laptop", "")
	s.must(204, "DELETE", in+"/images/debian", "")
	s.must(201, "POST", "/v1/providers:token", `{"name":"hv3"}`)
	if p := s.must(200, "POST", "/v1/providers/hv3:dial", `{"address":"hv3.example:7444"}`); p["dial_address"] != "hv3.example:7444" {
		t.Errorf("provider = %v", p)
	}
	if h := s.must(200, "POST", "/v1/hosts/hv1:cordon", ""); h["cordoned"] != true {
		t.Errorf("host = %v", h)
	}
	if h := s.must(200, "POST", "/v1/hosts/hv1:uncordon", "{}"); h["cordoned"] != false {
		t.Errorf("host = %v", h)
	}
}

func TestHeadersOfSuccess(t *testing.T) {
	s := newCloud(t)
	w := s.do("POST", "/v1/projects", `{"name":"alice"}`)
	var p struct{ ID string }
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	h := w.Header()
	if h.Get("Location") != "/v1/projects/"+p.ID || h.Get("ETag") != `"1"` || h.Get("Cache-Control") != "no-store" ||
		h.Get("Content-Type") != "application/json" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Request-Id") == "" {
		t.Errorf("headers = %v", h)
	}
	if strings.Contains(w.Body.String(), "Location") || strings.Contains(w.Body.String(), "ETag") {
		t.Errorf("headers are in the body: %s", w.Body)
	}
	w = s.do("POST", "/v1/projects/alice/networks", `{"name":"lan"}`)
	if l := w.Header().Get("Location"); !strings.HasPrefix(l, "/v1/operations/") || s.do("GET", l, "").Code != 200 {
		t.Errorf("Location = %q", l)
	}
	w = s.do("POST", "/v1/providers:token", `{"name":"hv9"}`)
	if l := w.Header().Get("Location"); s.do("GET", l, "").Code != 200 {
		t.Errorf("Location = %q", l)
	}
	if got := s.do("GET", "/v1/projects", "", "X-Request-Id: mine-1").Header().Get("X-Request-Id"); got != "mine-1" {
		t.Errorf("X-Request-Id = %q", got)
	}
	if got := s.do("GET", "/v1/projects", "", "X-Request-Id: a b\x1b").Header().Get("X-Request-Id"); got == "a b\x1b" {
		t.Errorf("a foul X-Request-Id came back: %q", got)
	}
}

func TestIfNoneMatch(t *testing.T) {
	s := newCloud(t)
	for header, want := range map[string]int{
		`"1"`: 304, `W/"1"`: 304, `"0", "1"`: 304, `*`: 304, `"2"`: 200, ``: 200, `1`: 200,
	} {
		w := s.do("GET", "/v1/hosts/hv1", "", "If-None-Match: "+header)
		if w.Code != want || w.Header().Get("ETag") != `"1"` || (want == 304) != (w.Body.Len() == 0) {
			t.Errorf("If-None-Match: %s = %d %s, want %d", header, w.Code, w.Body, want)
		}
	}
}

func TestListsAreReadPageByPage(t *testing.T) {
	s := newCloud(t)
	if l := s.must(200, "GET", "/v1/projects", ""); l["items"] == nil || l["next"] != nil {
		t.Errorf("an empty list is %v", l)
	}
	for _, name := range []string{"a", "b", "c"} {
		s.must(201, "POST", "/v1/projects", `{"name":"`+name+`"}`)
	}
	var got []string
	next := ""
	for range 5 {
		l := s.must(200, "GET", "/v1/projects?limit=2"+next, "")
		for _, item := range l["items"].([]any) {
			got = append(got, item.(map[string]any)["name"].(string))
		}
		if l["next"] == nil {
			break
		}
		next = "&after=" + l["next"].(string)
	}
	if strings.Join(got, " ") != "a b c" {
		t.Errorf("items = %v", got)
	}
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	s := newCloud(t)
	server := httptest.NewServer(s.handler)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, server.URL+"/v1/hosts/hv1", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Header.Get("ETag") != `"1"` || response.ContentLength <= 0 {
		t.Errorf("HEAD = %d %v", response.StatusCode, response.Header)
	}
}

func TestPublicPaths(t *testing.T) {
	s := newCloud(t)
	if w := s.do("GET", "/healthz", "", "Authorization: "); w.Code != 200 || w.Body.String() != "ok\n" {
		t.Errorf("/healthz = %d %q", w.Code, w.Body)
	}
	w := s.do("GET", "/openapi.json", "", "Authorization: ")
	if w.Code != 200 || !json.Valid(w.Body.Bytes()) {
		t.Errorf("/openapi.json = %d", w.Code)
	}
}
