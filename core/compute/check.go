// SPDX-License-Identifier: Apache-2.0

package compute

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// What instances are if a request does not say.
const (
	defaultVCPUs  = 1
	defaultMemory = 512 << 20
)

// The most, and the least, that one may ask for.
const (
	maxVCPUs       = 256
	minMemory      = 64 << 20
	maxMemory      = 1 << 46
	maxDisk        = 1 << 50
	maxCommandLine = 4096
	maxNetworks    = 8
	maxUserData    = 64 << 10
	maxSSHKeys     = 64
)

// withDefaults fills in what a request left out.
func withDefaults(spec core.InstanceSpec) core.InstanceSpec {
	if spec.Kind == "" {
		spec.Kind = "vm"
	}
	if spec.VCPUs == 0 {
		spec.VCPUs = defaultVCPUs
	}
	if spec.MemoryBytes == 0 {
		spec.MemoryBytes = defaultMemory
	}
	if spec.Power == "" {
		spec.Power = "running"
	}
	return spec
}

// check tells everything that is wrong with a create request by itself.
func check(req core.New, spec core.InstanceSpec) []*fault.Error {
	faults := req.Check()
	bad := func(field, format string, args ...any) {
		faults = append(faults, fault.Invalid(field, format, args...))
	}
	if spec.Kind != "vm" && spec.Kind != "unikernel" {
		bad("/spec/kind", "%q is not a kind of instance; use vm or unikernel", spec.Kind)
	}
	if spec.VCPUs < 1 || spec.VCPUs > maxVCPUs {
		bad("/spec/vcpus", "%d is not a number of virtual CPUs; use 1 to %d", spec.VCPUs, maxVCPUs)
	}
	if spec.MemoryBytes < minMemory || spec.MemoryBytes > maxMemory {
		bad("/spec/memory_bytes", "%d is not a size of memory; use %d (64 MiB) or more", spec.MemoryBytes, minMemory)
	}
	if spec.DiskBytes < 0 || spec.DiskBytes > maxDisk {
		bad("/spec/disk_bytes", "%d is not a size of a disk; leave it out for the image's own", spec.DiskBytes)
	}
	if spec.Power != "running" && spec.Power != "stopped" {
		bad("/spec/power", "%q is not a power state; use running or stopped", spec.Power)
	}
	return append(faults, checkParts(spec)...)
}

// checkParts checks what only one kind of instance has, and the lists.
func checkParts(spec core.InstanceSpec) []*fault.Error {
	var faults []*fault.Error
	bad := func(field, format string, args ...any) {
		faults = append(faults, fault.Invalid(field, format, args...))
	}
	if spec.Kind == "unikernel" && spec.DiskBytes > 0 {
		bad("/spec/disk_bytes", "a unikernel has no root disk; leave it out")
	}
	if spec.Kind == "vm" && spec.CommandLine != "" {
		bad("/spec/command_line", "a vm boots by its own disk; leave it out, or use kind unikernel")
	}
	if spec.Kind == "vm" && spec.Initrd != "" {
		bad("/spec/initrd", "a vm boots by its own disk; leave it out, or use kind unikernel")
	}
	if len(spec.CommandLine) > maxCommandLine || strings.ContainsFunc(spec.CommandLine, isControl) {
		bad("/spec/command_line", "use one line of at most %d bytes", maxCommandLine)
	}
	if len(spec.Networks) > maxNetworks {
		bad("/spec/networks", "%d networks are too many; use at most %d", len(spec.Networks), maxNetworks)
	}
	if spec.CloudInit != nil {
		faults = append(faults, checkCloudInit(*spec.CloudInit)...)
	}
	return faults
}

func checkCloudInit(c core.CloudInit) []*fault.Error {
	var faults []*fault.Error
	if len(c.UserData) > maxUserData {
		faults = append(faults, fault.Invalid("/spec/cloud_init/user_data", "%d bytes are too many; use at most %d", len(c.UserData), maxUserData))
	}
	if len(c.SSHKeys) > maxSSHKeys {
		faults = append(faults, fault.Invalid("/spec/cloud_init/ssh_keys", "%d keys are too many; use at most %d", len(c.SSHKeys), maxSSHKeys))
	}
	for n, key := range c.SSHKeys {
		if !isSSHKey(key) {
			faults = append(faults, fault.Invalid(fmt.Sprintf("/spec/cloud_init/ssh_keys/%d", n),
				"it is not an SSH public key; use the line of an id_*.pub file: type, key, comment"))
		}
	}
	return faults
}

// isSSHKey reports whether line is as in an authorized_keys file, without options: the key begins with its own type
// (RFC 4253, 6.6).
func isSSHKey(line string) bool {
	if strings.ContainsFunc(line, isControl) {
		return false
	}
	parts := strings.Fields(line)
	if len(parts) < 2 {
		return false
	}
	raw, err := base64.StdEncoding.DecodeString(parts[1])
	if err != nil || len(raw) < 4 {
		return false
	}
	size := uint64(binary.BigEndian.Uint32(raw))
	return uint64(len(raw)) > 4+size && string(raw[4:4+size]) == parts[0]
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }
