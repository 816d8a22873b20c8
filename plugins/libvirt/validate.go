// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

var digest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// isID says that an id is a UUID as libvirt writes it. Ids become names of directories.
func isID(id string) bool {
	parsed, err := uuid.Parse(id)
	return err == nil && parsed.String() == id
}

// validate reports everything in a spec that cannot be made here.
func (c config) validate(spec provider.InstanceSpec) error {
	var faults []*fault.Error
	refuse := func(ok bool, field, format string, args ...any) {
		if !ok {
			faults = append(faults, fault.Invalid(field, format, args...))
		}
	}
	refuse(isID(spec.ID), "/id", "must be a UUID in lower case")
	refuse(spec.HostID == c.Host.ID, "/host_id", "is %q, and this is %q", spec.HostID, c.Host.ID)
	refuse(spec.VCPUs > 0 && spec.VCPUs <= maxVCPUs, "/vcpus", "must be from 1 to %d", maxVCPUs)
	refuse(spec.MemoryBytes >= minMemory, "/memory_bytes", "must be at least %d", minMemory)
	refuse(spec.Power == provider.PowerRunning || spec.Power == provider.PowerStopped, "/power", "must be running or stopped")
	refuse(isTitle(spec.Project) && isTitle(spec.Name), "/name", "name and project must be printable, without line ends")
	refuse(digest.MatchString(spec.Image.SHA256), "/image/sha256", "must be 64 hexadecimal digits in lower case")
	switch spec.Kind {
	case provider.InstanceVM:
		isDisk := spec.Image.Format == provider.ImageQCOW2 || spec.Image.Format == provider.ImageRaw
		refuse(isDisk, "/image/format", "a vm boots qcow2 or raw, not %q", spec.Image.Format)
		refuse(spec.DiskBytes >= 0, "/disk_bytes", "must not be negative")
		refuse(spec.CommandLine == "" && spec.Initrd == nil, "/command_line", "a vm boots from its disk: it has no command line and no initrd")
	case provider.InstanceUnikernel:
		refuse(spec.Image.Format == provider.ImageKernel, "/image/format", "a unikernel boots a kernel, not %q", spec.Image.Format)
		refuse(spec.DiskBytes == 0, "/disk_bytes", "a unikernel has no root disk")
		refuse(isPrintable(spec.CommandLine), "/command_line", "must be printable text without line ends")
		refuse(spec.Initrd == nil || digest.MatchString(spec.Initrd.SHA256), "/initrd/sha256", "must be 64 hexadecimal digits in lower case")
	default:
		refuse(false, "/kind", "%q is not known here", spec.Kind)
	}
	for i, nic := range spec.NICs {
		faults = append(faults, c.validateNIC(fmt.Sprintf("/nics/%d", i), nic)...)
	}
	return fault.Join(faults...)
}

// Limits of QEMU's machine q35, and of what SeaBIOS boots in.
const (
	maxVCPUs  = 255
	minMemory = 16 << 20
	maxVLAN   = 4094
	minMTU    = 576
	maxMTU    = 65521 // of virtio's header field, less its own
)

func (c config) validateNIC(at string, nic provider.NIC) []*fault.Error {
	var faults []*fault.Error
	if !isID(nic.PortID) {
		faults = append(faults, fault.Invalid(at+"/port_id", "must be a UUID in lower case"))
	}
	if _, ok := c.Fabrics[nic.Fabric]; !ok {
		faults = append(faults, fault.Invalid(at+"/fabric", "the fabric %q is not in this provider's configuration", nic.Fabric))
	}
	if nic.SegmentID < 1 || nic.SegmentID > maxVLAN {
		faults = append(faults, fault.Invalid(at+"/segment_id", "must be from 1 to %d", maxVLAN))
	}
	if mac, err := net.ParseMAC(nic.MAC); err != nil || len(mac) != 6 || mac[0]&1 != 0 {
		faults = append(faults, fault.Invalid(at+"/mac", "%q is not the address of a network card", nic.MAC))
	}
	if nic.MTU != 0 && (nic.MTU < minMTU || nic.MTU > maxMTU) {
		faults = append(faults, fault.Invalid(at+"/mtu", "must be from %d to %d", minMTU, maxMTU))
	}
	return faults
}

func isTitle(s string) bool { return s != "" && isPrintable(s) }

// isPrintable says that XML, libvirt and QEMU's command line carry the text unchanged.
func isPrintable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == utf8.RuneError || r == '\uFFFE' || r == '\uFFFF'
	})
}
