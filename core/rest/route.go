// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"net/http"
	"strings"

	oapi "github.com/swaggest/openapi-go"
	"github.com/swaggest/rest/nethttp"
	"github.com/swaggest/usecase"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// route is one operation of the API, for people and for the document.
type route struct {
	method, path string
	id           string // operationId: "createNetwork"
	tag          string // "networks"
	title        string
	about        string         // more than the title, if there is more to say
	status       int            // of success
	faults       []fault.Reason // the codes of its own, besides those that any route may answer
	maxBody      int64          // bytes; maxJSON if 0
	optionalBody bool
	tagged       bool   // the answer has an ETag
	check        *check // filled when the document is complete
}

// add registers a route: its input is decoded from path, query and body by the tags of In, its output encoded by Out.
func add[In, Out any](a *api, r route, call func(context.Context, In) (Out, error), options ...func(*nethttp.Handler)) {
	r.check = new(check)
	_, r.tagged = any(new(Out)).(resource)
	u := usecase.NewInteractor(func(ctx context.Context, in In, out *Out) (err error) {
		*out, err = call(ctx, in)
		return err
	})
	r.describe(&u.IOInteractor)
	options = append(options, nethttp.SuccessStatus(r.status), nethttp.AnnotateOpenAPIOperation(secure))
	h := nethttp.NewHandler(u, options...)
	h.HandleErrResponse = a.fail
	h.SetRequestDecoder(&decoder{check: r.check, next: a.decoders.MakeDecoder(r.method, *new(In), nil)})
	h.SetResponseEncoder(&encoder{api: a})
	a.routes = append(a.routes, r)
	a.router.With(a.authenticate, a.limit(r)).Method(r.method, r.path, h)
}

// addPlain registers a route that swaggest cannot carry, a stream. In and Out describe it.
func addPlain[In, Out any](a *api, r route, serve http.HandlerFunc) {
	r.check = new(check)
	check := r.check
	a.routes = append(a.routes, r)
	a.router.With(a.authenticate, a.limit(r)).Method(r.method, r.path, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if err := check.request(q); err != nil {
			a.fail(w, q, err)
			return
		}
		serve(w, q)
	}))
	err := a.collector.CollectOperation(r.method, r.path, func(oc oapi.OperationContext) error {
		oc.SetID(r.id)
		oc.SetTags(r.tag)
		oc.SetSummary(r.title)
		oc.SetDescription(r.about)
		oc.AddReqStructure(*new(In))
		oc.AddRespStructure(*new(Out), oapi.WithHTTPStatus(r.status))
		return secure(oc)
	})
	if a.err == nil {
		a.err = err
	}
}

func (r route) describe(u *usecase.IOInteractor) {
	u.SetName(r.id)
	u.SetTitle(r.title)
	u.SetDescription(r.about)
	u.SetTags(r.tag)
}

// secure says that a route wants a token.
func secure(oc oapi.OperationContext) error {
	oc.AddSecurity(bearer)
	return nil
}

// common returns the codes that any route of this shape may answer.
func (r route) common() []fault.Reason {
	all := []fault.Reason{
		fault.InvalidField, fault.MalformedBody, fault.Unauthorized, fault.Forbidden, fault.TooLarge,
		fault.Bug, fault.BackendDown, fault.Timeout,
	}
	if strings.Contains(r.path, "{") {
		all = append(all, fault.UnknownResource)
	}
	if r.method != http.MethodGet {
		all = append(all, fault.ResourceBusy)
	}
	return all
}
