// SPDX-License-Identifier: Apache-2.0

package compute

import (
	"fmt"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/network"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// resolved is a request with all that it names.
type resolved struct {
	core.InstanceSpec
	project  core.Project
	image    core.Image
	initrd   core.Image // zero for none
	networks []core.Network
	hosts    []core.Host // to choose from
}

// resolve looks up what a request names. faults is what is wrong with it already; what its fields name wrongly is
// added to them.
func resolve(tx core.Tx, p core.Project, spec core.InstanceSpec, faults []*fault.Error) (resolved, error) {
	r := resolved{InstanceSpec: spec, project: p}
	for _, look := range []func(core.Tx) error{r.findImages, r.findNetworks, r.findHosts} {
		err := look(tx)
		if err != nil && fault.ReasonOf(err) != fault.InvalidField {
			return r, err
		}
		faults = append(faults, fault.Of(err))
	}
	if err := fault.Join(faults...); err != nil {
		return r, err
	}
	return r, r.ready()
}

func (r *resolved) findImages(tx core.Tx) error {
	var err error
	if r.image, err = core.FindImage(tx, r.project, r.Image); err != nil {
		return core.BadRef("/spec/image", err)
	}
	r.Image = reference(r.Image, r.image)
	if r.Initrd != "" {
		if r.initrd, err = core.FindImage(tx, r.project, r.Initrd); err != nil {
			return core.BadRef("/spec/initrd", err)
		}
		r.Initrd = reference(r.Initrd, r.initrd)
	}
	return r.checkFormats()
}

// reference is how a spec names an image: by its name, or by its id as the image itself has it. Ids are found in capitals
// too, but who looks for what is in use compares.
func reference(named string, i core.Image) string {
	if named == i.Name {
		return named
	}
	return i.ID
}

// checkFormats tells which images cannot be used as what they are named for.
func (r *resolved) checkFormats() error {
	var image, initrd *fault.Error
	switch format := r.image.Spec.Format; {
	case r.Kind == "vm" && format != "qcow2" && format != "raw":
		image = fault.Invalid("/spec/image", "image %s is a %s; a vm needs qcow2 or raw", r.image.Name, format)
	case r.Kind == "unikernel" && format != "kernel":
		image = fault.Invalid("/spec/image", "image %s is %s; a unikernel needs a kernel", r.image.Name, format)
	}
	if r.initrd.ID != "" && r.initrd.Spec.Format != "initrd" {
		initrd = fault.Invalid("/spec/initrd", "image %s is %s, not an initrd", r.initrd.Name, r.initrd.Spec.Format)
	}
	return fault.Join(image, initrd, r.checkDisk())
}

// checkDisk takes the image's own size if none was asked for.
func (r *resolved) checkDisk() *fault.Error {
	if r.Kind != "vm" {
		return nil
	}
	own := r.image.Status.DiskBytes
	if r.DiskBytes == 0 {
		r.DiskBytes = own
	}
	if r.DiskBytes < own {
		return fault.Invalid("/spec/disk_bytes", "the disk of image %s has %d bytes; use that or more, or leave it out", r.image.Name, own)
	}
	return nil
}

func (r *resolved) findNetworks(tx core.Tx) error {
	var faults []*fault.Error
	seen := map[string]bool{}
	for i, a := range r.Networks {
		field := fmt.Sprintf("/spec/networks/%d/network", i)
		n, err := core.FindNetwork(tx, r.project, a.Network)
		switch err = core.BadRef(field, err); {
		case fault.ReasonOf(err) == fault.InvalidField:
			faults = append(faults, fault.Of(err))
		case err != nil:
			return err
		case seen[n.ID]:
			faults = append(faults, fault.Invalid(field, "network %s is named twice; an instance has one port on a network", n.Name))
		}
		seen[n.ID] = true
		r.networks = append(r.networks, n)
	}
	return fault.Join(faults...)
}

func (r *resolved) findHosts(tx core.Tx) error {
	var err error
	if r.Host == "" {
		r.hosts, err = core.All(tx.Hosts(), core.Query{}, func(h core.Host) string { return h.ID })
		return err
	}
	h, err := core.FindHost(tx, r.Host)
	r.hosts = []core.Host{h}
	return core.BadRef("/spec/host", err)
}

// ready refuses what stands on something that is not there yet, or is going away. A network that is being made is left
// to the runner: it names the operation.
func (r *resolved) ready() error {
	for field, i := range map[string]core.Image{"/spec/image": r.image, "/spec/initrd": r.initrd} {
		if i.ID != "" && i.Status.State != core.ImageReady {
			return fault.New(fault.ImageNotReady, "image %s has no content yet; upload it first", i.Name).At(field)
		}
	}
	for _, n := range r.networks {
		if err := network.Usable(n); err != nil {
			return err
		}
	}
	return nil
}
