// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/rhyzome/rhyzome/sdk/client"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// serve returns a client of a server that answers with h.
func serve(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return newClient(t, client.Config{URL: s.URL, Token: "rzt_x"})
}

func newClient(t *testing.T, config client.Config) *client.Client {
	t.Helper()
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// answer writes JSON.
func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		config client.Config
		field  string
	}{
		{client.Config{}, "/url"},
		{client.Config{URL: "core.example:8443"}, "/url"},
		{client.Config{URL: "ftp://core.example"}, "/url"},
		{client.Config{URL: "https://%zz"}, "/url"},
		{client.Config{URL: "https://core.example", CACert: []byte("no PEM")}, "/ca_cert"},
	} {
		_, err := client.New(c.config)
		if f := fault.Of(err); f == nil || len(f.Fields) != 1 || f.Fields[0].Field != c.field {
			t.Errorf("%+v: %v, want a fault of %s", c.config, err, c.field)
		}
	}
}

// TestRequests holds each method to the request that it sends.
func TestRequests(t *testing.T) {
	ctx := context.Background()
	for want, do := range map[string]func(*client.Client) error{
		`POST /v1/projects {"name":"a","labels":{"k":"v"}}`: func(c *client.Client) error {
			_, err := c.Projects.Create(ctx, client.NewProject{Name: "a", Labels: map[string]string{"k": "v"}})
			return err
		},
		"GET /v1/projects?after=x&limit=7": func(c *client.Client) error {
			_, _, err := c.Projects.List(ctx, client.Page{After: "x", Limit: 7})
			return err
		},
		"GET /v1/projects/a%3Ab%2Fc": func(c *client.Client) error { _, err := c.Projects.Get(ctx, "a:b/c"); return err },
		"DELETE /v1/projects/a":      func(c *client.Client) error { return c.Projects.Delete(ctx, "a") },
		"GET /v1/projects/a/images":  func(c *client.Client) error { _, _, err := c.Images.List(ctx, "a", client.Page{}); return err },
		"PUT /v1/projects/a/images/i/content content": func(c *client.Client) error {
			_, err := c.Images.Upload(ctx, "a", "i", strings.NewReader("content"), 7)
			return err
		},
		`POST /v1/projects/a/networks {"name":"n","spec":{}}`: func(c *client.Client) error {
			_, _, err := c.Networks.Create(ctx, "a", client.NewNetwork{Name: "n"})
			return err
		},
		"DELETE /v1/projects/a/networks/n":      func(c *client.Client) error { _, err := c.Networks.Delete(ctx, "a", "n"); return err },
		"GET /v1/projects/a/networks/n/peers/p": func(c *client.Client) error { _, err := c.Peers.Get(ctx, "a", "n", "p"); return err },
		"GET /v1/projects/a/networks/n/peers/p/config": func(c *client.Client) error {
			text, err := c.Peers.Config(ctx, "a", "n", "p")
			if err == nil && text != "{}" {
				err = fmt.Errorf("config = %q", text)
			}
			return err
		},
		"POST /v1/projects/a/instances/i:start": func(c *client.Client) error { _, err := c.Instances.Start(ctx, "a", "i"); return err },
		"POST /v1/projects/a/instances/i:stop":  func(c *client.Client) error { _, err := c.Instances.Stop(ctx, "a", "i"); return err },
		`POST /v1/projects/a/instances/i:reboot {"hard":true}`: func(c *client.Client) error {
			_, err := c.Instances.Reboot(ctx, "a", "i", true)
			return err
		},
		"POST /v1/hosts/h:cordon":   func(c *client.Client) error { _, err := c.Hosts.Cordon(ctx, "h"); return err },
		"POST /v1/hosts/h:uncordon": func(c *client.Client) error { _, err := c.Hosts.Uncordon(ctx, "h"); return err },
		"GET /v1/routers/r":         func(c *client.Client) error { _, err := c.Routers.Get(ctx, "r"); return err },
		"DELETE /v1/fabrics/f":      func(c *client.Client) error { return c.Fabrics.Delete(ctx, "f") },
		`POST /v1/providers:token {"name":"p","services":["compute"]}`: func(c *client.Client) error {
			_, _, err := c.Providers.CreateToken(ctx, client.NewToken{Name: "p", Services: []string{"compute"}})
			return err
		},
		`POST /v1/providers/p:approve {"key_fingerprint":"SHA256:k"}`: func(c *client.Client) error {
			_, err := c.Providers.Approve(ctx, "p", "SHA256:k")
			return err
		},
		`POST /v1/providers/p:replace {"machine_id":"m2"}`: func(c *client.Client) error {
			_, err := c.Providers.Replace(ctx, "p", "m2")
			return err
		},
		"DELETE /v1/providers/p":                      func(c *client.Client) error { return c.Providers.Delete(ctx, "p") },
		"GET /v1/ca":                                  func(c *client.Client) error { _, err := c.CA.Get(ctx); return err },
		`POST /v1/ca:rotate {"force":true}`:           func(c *client.Client) error { _, err := c.CA.Rotate(ctx, true); return err },
		"GET /v1/operations?project=a":                func(c *client.Client) error { _, _, err := c.Operations.List(ctx, "a", client.Page{}); return err },
		"POST /v1/operations/o:cancel":                func(c *client.Client) error { _, err := c.Operations.Cancel(ctx, "o"); return err },
		"POST /v1/operations/o:abandon":               func(c *client.Client) error { _, err := c.Operations.Abandon(ctx, "o"); return err },
		`POST /v1/providers/p:dial {"address":"h:1"}`: func(c *client.Client) error { _, err := c.Providers.Dial(ctx, "p", "h:1"); return err },
		`POST /v1/providers {"name":"p","binary":"/b","sha256":"ab"}`: func(c *client.Client) error {
			_, err := c.Providers.Add(ctx, client.NewLocalProvider{Name: "p", NewBinary: client.NewBinary{Binary: "/b", SHA256: "ab"}})
			return err
		},
	} {
		var got string
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || r.Header.Get("Authorization") != "Bearer rzt_x" {
				t.Errorf("%s: %v, %v", want, err, r.Header)
			}
			got = strings.TrimSpace(r.Method + " " + r.RequestURI + " " + string(body))
			if kind := r.Header.Get("Content-Type"); len(body) > 0 && (body[0] == '{') != (kind == "application/json") {
				t.Errorf("%s: Content-Type: %s", want, kind)
			}
			answer(w, 200, "{}")
		})
		if err := do(c); err != nil || got != want {
			t.Errorf("request = %s, %v, want %s", got, err, want)
		}
	}
}

func TestAnEmptyNameNeverMeansTheCollection(t *testing.T) {
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was sent", r.Method, r.RequestURI) })
	for _, name := range []string{"", ".", ".."} {
		if err := c.Projects.Delete(t.Context(), name); fault.CodeOf(err) != fault.InvalidArgument {
			t.Errorf("delete of %q: %v", name, err)
		}
		if _, err := c.Networks.Delete(t.Context(), "a", name); fault.CodeOf(err) != fault.InvalidArgument {
			t.Errorf("delete of %q: %v", name, err)
		}
	}
}

func TestProblemsAreFaults(t *testing.T) {
	for _, c := range []struct {
		status int
		kind   string
		body   string
		reason fault.Reason
		says   string
	}{
		{409, "application/problem+json", `{"code":"name_taken","detail":"the name a is taken","status":409,"request_id":"r1","metadata":{"k":"v"}}`, fault.NameTaken, "the name a is taken"},
		{400, "application/problem+json", `{"code":"invalid_field","detail":"d","errors":[{"field":"/name","description":"bad"}]}`, fault.InvalidField, "d"},
		{418, "application/problem+json", `{"code":"of_a_newer_core","detail":"d"}`, "of_a_newer_core", "d"},
		{502, "text/html", "<html>", fault.CoreAway, "502 Bad Gateway"},
		{401, "text/plain", "who?", fault.Unauthorized, "not an answer of a core"},
		{403, "text/plain", "", fault.Forbidden, "403"},
		{404, "application/json", `{"error":"x"}`, fault.NoSuchRoute, "404"},
		{413, "text/html", "", fault.TooLarge, "413"},
		{300, "text/html", "", fault.Bug, "300"},
	} {
		client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", c.kind)
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		})
		_, err := client.Projects.Get(t.Context(), "a")
		if !errors.Is(err, &fault.Error{Reason: c.reason}) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%d %s: %v (%s), want %s", c.status, c.body, err, fault.ReasonOf(err), c.reason)
		}
		f := fault.Of(err)
		if c.reason == fault.NameTaken && (f.Code != fault.AlreadyExists || f.Metadata["request_id"] != "r1" || f.Metadata["k"] != "v") {
			t.Errorf("fault = %+v", f)
		}
		if c.reason == fault.InvalidField && (len(f.Fields) != 1 || f.Fields[0].Field != "/name") {
			t.Errorf("fields = %v", f.Fields)
		}
	}
}

func TestCoresThatCannotBeReached(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, `{"name":"a"}`) }))
	defer s.Close()
	s.Config.ErrorLog = nil
	trusted := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if p, err := newClient(t, client.Config{URL: s.URL, CACert: trusted}).Projects.Get(t.Context(), "a"); err != nil || p.Name != "a" {
		t.Errorf("with its CA: %v, %v", p, err)
	}
	_, err := newClient(t, client.Config{URL: s.URL}).Projects.Get(t.Context(), "a")
	if fault.ReasonOf(err) != fault.CertRefused {
		t.Errorf("without its CA: %v", err)
	}
	_, err = newClient(t, client.Config{URL: "http://127.0.0.1:1"}).Projects.Get(t.Context(), "a")
	if fault.ReasonOf(err) != fault.CoreAway || !fault.Temporary(err) {
		t.Errorf("nobody there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = newClient(t, client.Config{URL: s.URL, CACert: trusted}).Projects.Get(ctx, "a")
	if fault.ReasonOf(err) != fault.RequestCanceled {
		t.Errorf("given up: %v", err)
	}
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, `{"name":`) })
	if _, err = c.Projects.Get(t.Context(), "a"); fault.ReasonOf(err) != fault.CoreAway {
		t.Errorf("cut off: %v", err)
	}
}

func TestAllWalksThroughThePages(t *testing.T) {
	var requests atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		switch r.URL.Query().Get("after") {
		case "":
			answer(w, 200, `{"items":[{"name":"a"},{"name":"b"}],"next":"b"}`)
		case "b":
			answer(w, 200, `{"items":[{"name":"c"}],"next":"c"}`)
		default:
			answer(w, 500, `{"code":"internal","detail":"internal error"}`)
		}
	})
	var got []string
	var failed error
	for p, err := range c.Projects.All(t.Context()) {
		if err != nil {
			failed = err
			continue
		}
		got = append(got, p.Name)
	}
	if !slices.Equal(got, []string{"a", "b", "c"}) || fault.ReasonOf(failed) != fault.Bug {
		t.Errorf("items = %v, %v", got, failed)
	}
	requests.Store(0)
	for range c.Projects.All(t.Context()) {
		break
	}
	if requests.Load() != 1 {
		t.Errorf("%d requests for the first item", requests.Load())
	}
}

func TestAnUploadThatIsRefusedIsNotSent(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 1<<30 {
			t.Errorf("Content-Length = %d", r.ContentLength)
		}
		answer(w, 404, `{"code":"unknown_resource","detail":"there is no image"}`)
	})
	content := &counter{}
	_, err := c.Images.Upload(t.Context(), "a", "i", content, 1<<30)
	if fault.ReasonOf(err) != fault.UnknownResource || content.n > 1<<20 {
		t.Errorf("%v after %d bytes", err, content.n)
	}
}

// counter is endless content.
type counter struct{ n int }

func (c *counter) Read(p []byte) (int, error) {
	c.n += len(p)
	return len(p), nil
}

func TestContentThatIsNotWhatWasPromised(t *testing.T) {
	got := make(chan string, 1) // what came whole
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			answer(w, 400, `{"code":"malformed_body","detail":"the body was cut off"}`)
			return
		}
		got <- string(body)
		answer(w, 200, "{}")
	})
	for name, u := range map[string]struct {
		content io.Reader
		size    int64
		sent    string
		says    string
	}{
		"as promised":    {strings.NewReader("abc"), 3, "abc", ""},
		"empty":          {strings.NewReader(""), 0, "", ""},
		"size unknown":   {strings.NewReader("abc"), -1, "abc", ""},
		"it grew":        {strings.NewReader("abcdef"), 3, "abc", ""},
		"it shrank":      {strings.NewReader("a"), 3, "", "2 bytes early"},
		"disk is broken": {io.MultiReader(strings.NewReader("a"), iotest.ErrReader(errors.New("EIO"))), 3, "", "cannot be read"},
	} {
		_, err := c.Images.Upload(t.Context(), "a", "i", u.content, u.size)
		if u.says == "" {
			if sent := <-got; err != nil || sent != u.sent {
				t.Errorf("%s: sent %q, %v", name, sent, err)
			}
		}
		if u.says != "" && (fault.ReasonOf(err) != fault.InvalidField || !strings.Contains(err.Error(), u.says)) {
			t.Errorf("%s: %v (%s)", name, err, fault.ReasonOf(err))
		}
	}
}

func TestMicrosecondsSurvive(t *testing.T) {
	var p client.Project
	const at = `{"created_at":"2026-01-02T03:04:05.123456Z"}`
	if err := json.Unmarshal([]byte(at), &p); err != nil || p.CreatedAt.Nanosecond() != 123456000 {
		t.Errorf("%v, %v", p.CreatedAt, err)
	}
}
