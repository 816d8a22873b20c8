// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"encoding/xml"

	virt "libvirt.org/go/libvirt"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// markSpace is the XML namespace of the mark, and markPrefix what libvirt abbreviates it to.
const (
	markSpace  = "urn:rhyzome:libvirt:1"
	markPrefix = "rhyzome"
)

// mark is what says that a domain is ours, and all that we keep of an instance: an element in the domain's metadata.
type mark struct {
	XMLName    xml.Name  // with our namespace when it is written; libvirt answers without
	ID         string    `xml:"id,attr"`
	Generation int64     `xml:"generation,attr"`
	SpecDigest string    `xml:"digest,attr"`
	State      markState `xml:"state,attr"`
	LastReboot string    `xml:"last-reboot,attr,omitempty"` // operation id
	Kind       string    `xml:"kind,attr"`
	Images     []string  `xml:"image"` // digests of what the instance stands on
	Ports      []string  `xml:"port"`  // ids
}

// markState says how far the instance has come.
type markState string

const (
	stateApplying markState = "applying" // not all is made yet
	stateReady    markState = "ready"
	stateDeleting markState = "deleting" // not all is removed yet
)

// newMark is the mark of an instance that is about to be made.
func newMark(spec provider.InstanceSpec, lastReboot string) mark {
	m := mark{
		ID: spec.ID, Generation: spec.Generation, SpecDigest: spec.SpecDigest, State: stateApplying,
		LastReboot: lastReboot, Kind: string(spec.Kind), Images: []string{spec.Image.SHA256},
	}
	if spec.Initrd != nil {
		m.Images = append(m.Images, spec.Initrd.SHA256)
	}
	for _, nic := range spec.NICs {
		m.Ports = append(m.Ports, nic.PortID)
	}
	return m
}

func (m mark) tag() provider.Tag {
	return provider.Tag{ID: m.ID, Generation: m.Generation, SpecDigest: m.SpecDigest}
}

// text is the element.
func (m mark) text() (string, error) {
	m.XMLName = xml.Name{Space: markSpace, Local: "instance"}
	out, err := xml.Marshal(m)
	return string(out), err
}

// readMark returns the mark of a domain; fault.ForeignConflict if it has none, or somebody else's.
func readMark(d *virt.Domain) (mark, error) {
	text, err := d.GetMetadata(virt.DOMAIN_METADATA_ELEMENT, markSpace, virt.DOMAIN_AFFECT_CONFIG)
	if isWrongState(err) { // it runs, but somebody has removed its definition
		text, err = d.GetMetadata(virt.DOMAIN_METADATA_ELEMENT, markSpace, virt.DOMAIN_AFFECT_LIVE)
	}
	if isUnmarked(err) {
		return mark{}, foreign(d)
	}
	if err != nil {
		return mark{}, err
	}
	id, err := d.GetUUIDString()
	if err != nil {
		return mark{}, err
	}
	var m mark
	// A copy of one of our domains has the mark of the original.
	if err := xml.Unmarshal([]byte(text), &m); err != nil || m.ID != id {
		return mark{}, foreign(d)
	}
	return m, nil
}

func foreign(d *virt.Domain) error {
	name, err := d.GetName()
	if err != nil {
		return err
	}
	return fault.New(fault.ForeignConflict, "the domain %q is not one of Rhyzome's", name)
}

// write replaces the domain's mark.
func (m mark) write(d *virt.Domain) error {
	text, err := m.text()
	if err != nil {
		return err
	}
	active, err := d.IsActive()
	if err != nil {
		return err
	}
	impact := virt.DOMAIN_AFFECT_CONFIG
	if active { // what people see of a running domain is another copy
		impact |= virt.DOMAIN_AFFECT_LIVE
	}
	return d.SetMetadata(virt.DOMAIN_METADATA_ELEMENT, text, markPrefix, markSpace, impact)
}
