// SPDX-License-Identifier: Apache-2.0

// Package rest shows the use cases over HTTP. A handler is thin: decode, one call, encode. What a request may hold is
// said once, by the types of the handlers; the OpenAPI document is made of them, and every request is checked against
// that document before it is decoded. Every failure is an RFC 9457 problem with a stable code.
package rest

import (
	"log/slog"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/swaggest/openapi-go/openapi31"
	"github.com/swaggest/rest"
	"github.com/swaggest/rest/chirouter"
	"github.com/swaggest/rest/nethttp"
	"github.com/swaggest/rest/openapi"
	"github.com/swaggest/rest/request"

	"github.com/rhyzome/rhyzome/core/auth"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// New returns the handler of the whole API. tokens says who may use it.
func New(services Services, tokens *auth.Tokens, log *slog.Logger) (http.Handler, error) {
	a, err := build(services, tokens, log)
	if err != nil {
		return nil, err
	}
	return a.router, nil
}

// Document returns the OpenAPI document as indented JSON.
func Document() ([]byte, error) {
	a, err := build(Services{}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return a.document, nil
}

// api is what the routes are registered with.
type api struct {
	Services
	tokens    *auth.Tokens
	log       *slog.Logger
	router    *chirouter.Wrapper
	reflector *openapi31.Reflector
	collector *openapi.Collector
	decoders  *request.DecoderFactory
	routes    []route
	document  []byte
	err       error // the first that a registration met
}

func build(services Services, tokens *auth.Tokens, log *slog.Logger) (*api, error) {
	reflector, err := newReflector()
	if err != nil {
		return nil, err
	}
	a := &api{
		Services: services, tokens: tokens, log: log,
		router:    chirouter.NewWrapper(chi.NewRouter()),
		reflector: reflector,
		collector: openapi.NewCollector(reflector),
		decoders:  request.NewDecoderFactory(),
	}
	a.decoders.SetDecoderFunc(rest.ParamInPath, chirouter.PathToURLValues)
	a.router.Use(a.observe, headers, middleware.GetHead)
	a.router.Wrap(nethttp.OpenAPIMiddleware(a.collector))
	a.router.NotFound(func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, fault.New(fault.NoSuchRoute, "the API has no such path"))
	})
	a.router.MethodNotAllowed(a.methodNotAllowed)

	a.projects()
	a.images()
	a.networks()
	a.peers()
	a.instances()
	a.places()
	a.providers()
	a.ca()
	a.operations()
	a.events()
	return a, a.finish()
}

// finish makes the document of the registered routes, and each route's checks of the document.
func (a *api) finish() error {
	if a.err != nil {
		return a.err
	}
	var err error
	if a.document, err = document(a.reflector, a.routes); err != nil {
		return err
	}
	schemas, err := compile(a.document)
	if err != nil {
		return err
	}
	for _, r := range a.routes {
		if *r.check, err = schemas.check(r.method, r.path); err != nil {
			return err
		}
	}
	a.router.Router.Get("/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		a.reply(w, http.StatusOK, a.document)
	})
	a.router.Router.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		a.reply(w, http.StatusOK, []byte("ok\n"))
	})
	return nil
}

func (a *api) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.Path
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete} {
		tried := method
		if method == http.MethodHead {
			tried = http.MethodGet
		}
		if a.router.Match(chi.NewRouteContext(), tried, path) {
			w.Header().Add("Allow", method)
		}
	}
	a.fail(w, r, fault.New(fault.MethodNotAllow, "the path exists, but not with this method"))
}
