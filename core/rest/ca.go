// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"net/http"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func (a *api) ca() {
	const tag, one = "ca", "/v1/ca"

	add(a, route{
		method: http.MethodGet, path: one, id: "getCA", tag: tag, title: "Get the certificate authority",
		about:  "What is trusted, what signs, and which providers are ready for the next step of a rotation.",
		status: http.StatusOK,
	}, func(ctx context.Context, _ struct{}) (core.CA, error) {
		return a.CA.GetCA(ctx)
	})

	add(a, route{
		method: http.MethodPost, path: one + ":rotate", id: "rotateCA", tag: tag, title: "Take the next step of a rotation",
		about:  "From steady to spreading, to switched, to steady. The two last steps are refused while a provider is not ready for them; the first where the root's key is kept elsewhere.",
		status: http.StatusOK, faults: []fault.Reason{fault.BadState}, optionalBody: true,
	}, func(ctx context.Context, in rotation) (core.CA, error) {
		return a.CA.RotateCA(ctx, in.Force)
	})

	add(a, route{
		method: http.MethodPost, path: one + ":request", id: "requestCA", tag: tag, title: "Get a certificate request for an intermediate",
		about:  "What a root whose key is kept elsewhere has to sign. The key stays in the core, and is the same until its certificate is installed.",
		status: http.StatusOK,
	}, func(ctx context.Context, _ struct{}) (core.CARequest, error) {
		return a.CA.RequestCA(ctx)
	})

	add(a, route{
		method: http.MethodPost, path: one + ":install", id: "installCA", tag: tag, title: "Install an intermediate that the root signed",
		about:  "Under the root that is in use it signs at once: switched. A new root is given to everybody first: spreading. Refused while a rotation is under way, and without a request.",
		status: http.StatusOK, faults: []fault.Reason{fault.BadState},
	}, func(ctx context.Context, in installation) (core.CA, error) {
		return a.CA.InstallCA(ctx, in.Certificates)
	})
}

type installation struct {
	Certificates string `json:"certificates" required:"true" description:"PEM: what the root signed for the key of the request, and behind it the root."`
}

type rotation struct {
	Force bool `json:"force,omitempty" description:"Take the step although providers are not ready: those need a new join token afterwards."`
}
