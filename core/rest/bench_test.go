// SPDX-License-Identifier: Apache-2.0

package rest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/rest"
	"github.com/rhyzome/rhyzome/core/rest/resttest"
)

// BenchmarkGet reads an instance through the whole API and through bare net/http, in turn, over one connection each. It
// reports how fast the API is as a part of bare; with a store below it the bar is 0.3.
func BenchmarkGet(b *testing.B) {
	instance := core.Instance{Meta: core.New{Name: "web"}.Meta("019b76da-a800-7000-8000-000000000001", time.Now)}
	services := resttest.New().Services()
	services.Instances = fixed{services.Instances, instance}
	api := newSite(b, services)
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(instance); err != nil {
			b.Error(err)
		}
	})
	whole, floor := reader(b, api.handler, api.token), reader(b, bare, "")
	var took, least time.Duration
	for b.Loop() {
		least += floor()
		took += whole()
	}
	b.ReportMetric(least.Seconds()/took.Seconds(), "of-bare")
	b.ReportMetric(float64(took.Microseconds())/float64(b.N), "µs/get")
}

// fixed has one instance.
type fixed struct {
	rest.Instances
	instance core.Instance
}

func (f fixed) Get(context.Context, string, string) (core.Instance, error) { return f.instance, nil }

func reader(b *testing.B, h http.Handler, token string) func() time.Duration {
	b.Helper()
	s := httptest.NewServer(h)
	b.Cleanup(s.Close)
	return func() time.Duration {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, s.URL+"/v1/projects/a/instances/web", nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		began := time.Now()
		response, err := s.Client().Do(r)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
			b.Fatal(response.Status, err)
		}
		response.Body.Close()
		return time.Since(began)
	}
}
