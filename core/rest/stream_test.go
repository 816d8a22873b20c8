// SPDX-License-Identifier: Apache-2.0

package rest_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/rest"
	"github.com/rhyzome/rhyzome/core/rest/resttest"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// serve runs the API on a real server of this package's making.
func (s *site) serve(change func(*http.Server)) (url string, server *http.Server) {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	server = rest.NewServer(s.handler, &tls.Config{}, slog.New(slog.DiscardHandler))
	if change != nil {
		change(server)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	s.t.Cleanup(func() {
		server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			s.t.Errorf("Serve: %v", err)
		}
	})
	return "http://" + l.Addr().String(), server
}

func (s *site) follow(ctx context.Context, url string, headers ...string) *bufio.Reader {
	s.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" || response.ContentLength != -1 {
		s.t.Fatalf("events = %d %v", response.StatusCode, response.Header)
	}
	return bufio.NewReader(response.Body)
}

// next returns the id line and the data line of the next event.
func next(t *testing.T, lines *bufio.Reader) (id, data string) {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			data, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			return strings.TrimSpace(id), data
		}
	}
}

func TestEventsComeAsTheyHappen(t *testing.T) {
	s := newCloud(t)
	url, _ := s.serve(nil)
	s.must(201, "POST", "/v1/projects", `{"name":"a"}`)
	lines := s.follow(t.Context(), url+"/v1/events")
	if id, data := next(t, lines); id != "1" || !strings.Contains(data, `"type":"project.created"`) {
		t.Errorf("event = %s %s", id, data)
	}
	s.must(201, "POST", "/v1/projects", `{"name":"b"}`)
	if id, data := next(t, lines); id != "2" || !strings.Contains(data, `"name":"b"`) {
		t.Errorf("event = %s %s", id, data)
	}
	for i, c := range []struct {
		query, header, want string
	}{
		{"?after=1", "X: y", "2"},
		{"?after=0", "Last-Event-ID: 1", "2"},
		{"", "Last-Event-ID: 1", "2"},
		{"?project=b", "X: y", "2"},
	} {
		s.must(202, "POST", "/v1/projects/b/networks", `{"name":"n`+strconv.Itoa(i)+`"}`)
		if id, _ := next(t, s.follow(t.Context(), url+"/v1/events"+c.query, c.header)); id != c.want {
			t.Errorf("%s %s begins with %s, want %s", c.query, c.header, id, c.want)
		}
	}
	for _, bad := range []string{"/v1/events?after=-1", "/v1/events?since=1"} {
		if w := s.do("GET", bad, ""); w.Code != 400 {
			t.Errorf("%s = %d", bad, w.Code)
		}
	}
	if w := s.do("GET", "/v1/events", "", "Last-Event-ID: x"); problemOf(t, w).Errors[0].Field != "header:Last-Event-ID" {
		t.Errorf("a bad Last-Event-ID = %d %s", w.Code, w.Body)
	}
	if w := s.do("GET", "/v1/events?project=nobody", ""); w.Code != 404 {
		t.Errorf("events of nobody = %d", w.Code)
	}
}

// feed is a source of events that a test holds in its hands.
type feed struct {
	events chan core.Event
	ctx    chan context.Context
}

func (f feed) Subscribe(ctx context.Context, _ int64, _ string) (<-chan core.Event, error) {
	f.ctx <- ctx
	return f.events, nil
}

func newFeed(t *testing.T) (*site, feed) {
	t.Helper()
	f := feed{events: make(chan core.Event), ctx: make(chan context.Context, 1)}
	services := resttest.New().Services()
	services.Events = f
	return newSite(t, services), f
}

func TestASilentStreamIsKeptAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newFeed(t)
		ctx, cancel := context.WithCancel(context.Background())
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v1/events", nil)
		r.Header.Set("Authorization", "Bearer "+s.token)
		w := httptest.NewRecorder()
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.handler.ServeHTTP(w, r)
		}()
		time.Sleep(40 * time.Second) // of the bubble's clock
		cancel()
		<-done
		if got := strings.Count(w.Body.String(), ": alive\n\n"); got != 2 || !w.Flushed {
			t.Errorf("%d signs of life in 40 s: %q", got, w.Body)
		}
	})
}

func TestAReaderThatLeavesIsForgotten(t *testing.T) {
	s, f := newFeed(t)
	url, _ := s.serve(nil)
	ctx, cancel := context.WithCancel(t.Context())
	s.follow(ctx, url+"/v1/events")
	subscribed := <-f.ctx
	cancel()
	<-subscribed.Done()
}

func TestStreamsEndWithTheServerAndWithTheFeed(t *testing.T) {
	s, f := newFeed(t)
	url, server := s.serve(nil)
	lines := s.follow(t.Context(), url+"/v1/events")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Fatalf("Shutdown waits for streams: %v", err)
	}
	if _, err := io.ReadAll(lines); err != nil {
		t.Errorf("the stream ended with %v", err)
	}
	<-f.ctx
	url, _ = s.serve(nil)
	lines = s.follow(t.Context(), url+"/v1/events")
	close(f.events)
	if _, err := io.ReadAll(lines); err != nil {
		t.Errorf("the stream ended with %v", err)
	}
}

// store is an image use case whose content a test looks at as it comes.
type store struct {
	rest.Images
	parts chan string
	ended chan error
}

func (s store) Upload(_ context.Context, _, _ string, content io.Reader) (core.Image, error) {
	p := make([]byte, 4096)
	for {
		n, err := content.Read(p)
		if n > 0 {
			s.parts <- string(p[:n])
		}
		switch {
		case errors.Is(err, io.EOF):
			s.ended <- nil
			return core.Image{Spec: core.ImageSpec{Format: "raw"}, Status: core.ImageStatus{State: core.ImageReady}}, nil
		case err != nil:
			s.ended <- err
			return core.Image{}, err
		}
	}
}

const contentPath = "/v1/projects/a/images/i/content"

func newStore(t *testing.T) (*site, store) {
	t.Helper()
	st := store{parts: make(chan string, 100), ended: make(chan error, 1)}
	services := resttest.New().Services()
	services.Images = st
	return newSite(t, services), st
}

// put uploads content and returns the status of the answer.
func (s *site) put(url string, body io.Reader) (int, error) {
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut, url+contentPath, body)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	r.Header.Set("Content-Type", "application/octet-stream")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// TestUploadsAreStreamed also shows that an upload outlasts the server's limit for whole requests, as long as it moves.
func TestUploadsAreStreamed(t *testing.T) {
	s, st := newStore(t)
	const limit = 300 * time.Millisecond
	url, _ := s.serve(func(s *http.Server) { s.ReadTimeout, s.WriteTimeout = limit, limit })
	r, w := io.Pipe()
	type result struct {
		status int
		err    error
	}
	answer := make(chan result, 1)
	go func() {
		status, err := s.put(url, r)
		answer <- result{status, err}
	}()
	for began := time.Now(); time.Since(began) < 2*limit; {
		if _, err := io.WriteString(w, "part"); err != nil {
			t.Fatal(err)
		}
		if got := <-st.parts; got != "part" { // it is here before the rest is sent
			t.Fatalf("part = %q", got)
		}
	}
	w.Close()
	a := <-answer
	if err := <-st.ended; err != nil || a.err != nil || a.status != http.StatusOK {
		t.Errorf("upload = %d, %v, %v", a.status, a.err, err)
	}
}

func TestAnUploadThatIsCutOffIsNotAWholeOne(t *testing.T) {
	s, st := newStore(t)
	url, _ := s.serve(nil)
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	request := "PUT " + contentPath + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + s.token + "\r\nContent-Length: 100\r\n\r\nonly this"
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	<-st.parts
	c.Close()
	if err := <-st.ended; fault.ReasonOf(err) != fault.MalformedBody {
		t.Errorf("the use case saw %v", err)
	}
}

func TestAnUploadThatSaysItIsTooLargeIsRefusedAtOnce(t *testing.T) {
	s, _ := newStore(t)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, contentPath, bytes.NewReader(nil))
	r.ContentLength = rest.MaxImage + 1
	r.Header.Set("Authorization", "Bearer "+s.token)
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if p := problemOf(t, w); w.Code != 413 || p.Code != "too_large" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestABodyThatDoesNotComeIsNotWaitedForForever(t *testing.T) {
	s := newCloud(t)
	url, _ := s.serve(func(s *http.Server) { s.ReadTimeout = 200 * time.Millisecond })
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	request := "POST /v1/projects HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + s.token +
		"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c) // ends when the server gives up
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
		t.Errorf("answer = %q, %v", answer, err)
	}
}
