// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"net/http"

	"github.com/swaggest/rest/nethttp"
	"github.com/swaggest/rest/request"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// MaxImage is the largest image content, in bytes.
const MaxImage = 256 << 30

func (a *api) images() {
	const tag, all = "images", "/v1/projects/{project}/images"
	const one, content = all + "/{image}", all + "/{image}/content"

	add(a, route{
		method: http.MethodPost, path: all, id: "createImage", tag: tag, title: "Create an image",
		about:  "The image waits for its content, which is uploaded to it.",
		status: http.StatusCreated, faults: []fault.Reason{fault.NameTaken},
	}, func(ctx context.Context, in newImage) (core.Image, error) {
		return a.Images.Create(ctx, in.Project, in.New, in.Spec)
	})

	add(a, route{
		method: http.MethodPut, path: content, id: "uploadImage", tag: tag, title: "Upload an image's content",
		about:  "The image is ready afterwards, and its content fixed.",
		status: http.StatusOK, faults: []fault.Reason{fault.BadState, fault.DigestMismatch, fault.NoCapacity}, maxBody: MaxImage,
	}, func(ctx context.Context, in imageContent) (core.Image, error) {
		return a.Images.Upload(ctx, in.Project, in.Image, in.Request().Body)
	}, nethttp.RequestBodyContent("application/octet-stream"))

	add(a, route{
		method: http.MethodGet, path: all, id: "listImages", tag: tag, title: "List a project's images", status: http.StatusOK,
	}, func(ctx context.Context, in inProjectPage) (list[core.Image], error) {
		return page(a.Images.List(ctx, in.Project, in.page()))
	})

	add(a, route{
		method: http.MethodGet, path: one, id: "getImage", tag: tag, title: "Get an image", status: http.StatusOK,
	}, func(ctx context.Context, in inImage) (core.Image, error) {
		return a.Images.Get(ctx, in.Project, in.Image)
	})

	add(a, route{
		method: http.MethodDelete, path: one, id: "deleteImage", tag: tag, title: "Delete an image that nothing stands on",
		status: http.StatusNoContent, faults: []fault.Reason{fault.HasChildren},
	}, func(ctx context.Context, in inImage) (nothing, error) {
		return nothing{}, a.Images.Delete(ctx, in.Project, in.Image)
	})
}

type newImage struct {
	InProject
	core.New
	Spec core.ImageSpec `json:"spec"`
}

type inImage struct {
	InProject
	Image string `path:"image" json:"-" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$" description:"Id or name of the image."`
}

// imageContent is a request whose body is passed on as it comes.
type imageContent struct {
	inImage
	request.EmbeddedSetter
}
