// SPDX-License-Identifier: Apache-2.0

package resttest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

type projects struct{ *Cloud }

func (c projects) Create(_ context.Context, req core.New) (core.Project, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := checked(req); err != nil {
		return core.Project{}, err
	}
	if err := c.projects.free("", req.Name); err != nil {
		return core.Project{}, err
	}
	p := core.Project{Meta: c.meta(req)}
	c.projects.add("", p)
	c.emit("project.created", p.ID, core.ResourceRef{Kind: "project", ID: p.ID, Name: p.Name})
	return p, nil
}

func (c projects) List(_ context.Context, page core.Page) ([]core.Project, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.projects.page("", page)
}

func (c projects) Get(_ context.Context, project string) (core.Project, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.projects.find("", project)
	if err != nil {
		return core.Project{}, err
	}
	return *p, nil
}

func (c projects) Delete(_ context.Context, project string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.projects.find("", project)
	if err != nil {
		return err
	}
	if !c.images.empty(p.ID) || !c.networks.empty(p.ID) || !c.instances.empty(p.ID) {
		return fault.New(fault.HasChildren, "the project %s still owns something", p.Name)
	}
	c.projects.remove(p.ID)
	return nil
}

type images struct{ *Cloud }

func (c images) Create(_ context.Context, project string, req core.New, spec core.ImageSpec) (core.Image, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.projects.find("", project)
	if err != nil {
		return core.Image{}, err
	}
	if err := checked(req); err != nil {
		return core.Image{}, err
	}
	if err := c.images.free(p.ID, req.Name); err != nil {
		return core.Image{}, err
	}
	i := core.Image{Meta: c.meta(req), Project: p.ID, Spec: spec, Status: core.ImageStatus{State: core.ImageWaiting}}
	c.images.add(p.ID, i)
	return i, nil
}

func (c images) Upload(ctx context.Context, project, image string, content io.Reader) (core.Image, error) {
	before, err := c.Get(ctx, project, image)
	if err != nil {
		return core.Image{}, err
	}
	if before.Status.State == core.ImageReady {
		return core.Image{}, fault.New(fault.BadState, "the image %s has its content already", before.Name)
	}
	digest := sha256.New()
	size, err := io.Copy(digest, content)
	if err != nil {
		return core.Image{}, err
	}
	sum := hex.EncodeToString(digest.Sum(nil))
	if before.Spec.SHA256 != "" && before.Spec.SHA256 != sum {
		return core.Image{}, fault.New(fault.DigestMismatch, "the content's SHA-256 is %s", sum)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	i, err := c.find(project, image)
	if err != nil {
		return core.Image{}, err
	}
	i.Status = core.ImageStatus{State: core.ImageReady, SHA256: sum, SizeBytes: size}
	return *i, nil
}

func (c images) List(_ context.Context, project string, page core.Page) ([]core.Image, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.projects.find("", project)
	if err != nil {
		return nil, "", err
	}
	return c.images.page(p.ID, page)
}

func (c images) Get(_ context.Context, project, image string) (core.Image, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i, err := c.find(project, image)
	if err != nil {
		return core.Image{}, err
	}
	return *i, nil
}

func (c images) Delete(_ context.Context, project, image string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	i, err := c.find(project, image)
	if err != nil {
		return err
	}
	c.images.remove(i.ID)
	return nil
}

func (c images) find(project, image string) (*core.Image, error) {
	p, err := c.projects.find("", project)
	if err != nil {
		return nil, err
	}
	return c.images.find(p.ID, image)
}
