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
		about:  "From steady to spreading, to switched, to steady. The two last steps are refused while a provider is not ready for them.",
		status: http.StatusOK, faults: []fault.Reason{fault.BadState}, optionalBody: true,
	}, func(ctx context.Context, in rotation) (core.CA, error) {
		return a.CA.RotateCA(ctx, in.Force)
	})
}

type rotation struct {
	Force bool `json:"force,omitempty" description:"Take the step although providers are not ready: those need a new join token afterwards."`
}
