// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/base64"
	"regexp"
	"strconv"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

var networkHandle = regexp.MustCompile(`^[a-z0-9]{8}$`)

func validateInstance(s provider.InstanceSpec) []*fault.Error {
	var f faults
	f.label("/project", s.Project)
	f.label("/name", s.Name)
	f.present("/host_id", s.HostID)
	f.add(s.VCPUs >= 1, "/vcpus", "must be at least 1")
	f.add(s.MemoryBytes >= 1, "/memory_bytes", "must be more than 0")
	f.add(s.DiskBytes >= 0, "/disk_bytes", "must not be negative")
	f.add(s.Power == provider.PowerRunning || s.Power == provider.PowerStopped, "/power", "must be running or stopped")
	f.boot(s)
	for i, n := range s.NICs {
		f.nic("/nics/"+strconv.Itoa(i), n)
	}
	return f
}

// changeInstance keeps an instance on its host. What is half made may not say yet where it is.
func changeInstance(before provider.Instance, s provider.InstanceSpec, migrates bool) []*fault.Error {
	var f faults
	stays := migrates || before.HostID == "" || s.HostID == before.HostID
	f.add(stays, "/host_id", "it is on %s, and this provider moves no instances", before.HostID)
	return f
}

func (f *faults) boot(s provider.InstanceSpec) {
	switch s.Kind {
	case provider.InstanceVM:
		f.image("/image", s.Image, provider.ImageQCOW2, provider.ImageRaw)
		f.add(s.CommandLine == "", "/command_line", "is for unikernels")
		f.add(s.Initrd == nil, "/initrd", "is for unikernels")
	case provider.InstanceUnikernel:
		f.image("/image", s.Image, provider.ImageKernel)
		if s.Initrd != nil {
			f.image("/initrd", *s.Initrd, provider.ImageInitrd)
		}
		f.add(s.DiskBytes == 0, "/disk_bytes", "is for virtual machines")
	default:
		f.add(false, "/kind", "must be vm or unikernel")
	}
}

func (f *faults) nic(at string, n provider.NIC) {
	f.id(at+"/port_id", n.PortID)
	f.id(at+"/network_id", n.NetworkID)
	f.present(at+"/fabric", n.Fabric)
	f.between(at+"/segment_id", n.SegmentID, 0, maxSegment)
	f.mac(at+"/mac", n.MAC)
	f.addresses(at+"/addresses", n.Addresses)
	f.between(at+"/mtu", n.MTU, minMTU, maxMTU)
}

func validateNetwork(s provider.NetworkSpec) []*fault.Error {
	var f faults
	f.label("/project", s.Project)
	f.label("/name", s.Name)
	f.add(networkHandle.MatchString(s.Handle), "/handle", "must be eight of a to z and 0 to 9")
	f.present("/router_id", s.RouterID)
	f.present("/fabric", s.Fabric)
	f.between("/segment_id", s.SegmentID, 0, maxSegment)
	f.subnets("/subnets", s.Subnets)
	f.domain("/domain", s.Domain)
	f.add(s.Egress == provider.EgressNone || s.Egress == provider.EgressNAT, "/egress", "must be none or nat")
	f.between("/mtu", s.MTU, minMTU, maxMTU)
	if w := s.WireGuard; w != nil {
		f.between("/wireguard/listen_port", w.ListenPort, 1, maxPort)
		f.subnets("/wireguard/subnets", w.Subnets)
		f.between("/wireguard/mtu", w.MTU, minMTU, maxMTU)
	}
	return f
}

func validatePort(s provider.PortSpec) []*fault.Error {
	var f faults
	f.id("/network_id", s.NetworkID)
	f.id("/instance_id", s.InstanceID)
	f.mac("/mac", s.MAC)
	f.addresses("/addresses", s.Addresses)
	f.onePerFamily("/addresses", s.Addresses)
	f.label("/hostname", s.Hostname)
	return f
}

func validatePeer(s provider.PeerSpec) []*fault.Error {
	var f faults
	f.id("/network_id", s.NetworkID)
	key, err := base64.StdEncoding.DecodeString(s.PublicKey)
	f.add(err == nil && len(key) == 32, "/public_key", "must be 32 bytes in base64")
	f.add(len(s.Addresses) > 0, "/addresses", "must hold an address")
	f.addresses("/addresses", s.Addresses)
	return f
}

func validateForward(s provider.ForwardSpec) []*fault.Error {
	var f faults
	f.id("/network_id", s.NetworkID)
	f.add(s.Protocol == provider.ProtocolTCP || s.Protocol == provider.ProtocolUDP, "/protocol", "must be tcp or udp")
	f.between("/port_min", s.PortMin, 1, maxPort)
	f.between("/port_max", s.PortMax, s.PortMin, maxPort)
	f.address("/target_address", s.TargetAddress)
	f.between("/target_port", s.TargetPort, 1, maxPort-max(s.PortMax-s.PortMin, 0))
	return f
}

func validateVolume(s provider.VolumeSpec) []*fault.Error {
	var f faults
	f.label("/project", s.Project)
	f.label("/name", s.Name)
	f.present("/pool_id", s.PoolID)
	f.add(s.SizeBytes >= 1, "/size_bytes", "must be more than 0")
	if s.Image != nil {
		f.image("/image", *s.Image, provider.ImageQCOW2, provider.ImageRaw)
	}
	if s.InstanceID != "" {
		f.id("/instance_id", s.InstanceID)
	}
	return f
}

// changeVolume keeps content from being lost. What is half made may not say yet what it is.
func changeVolume(before provider.Volume, s provider.VolumeSpec) []*fault.Error {
	var f faults
	f.add(s.SizeBytes >= before.SizeBytes, "/size_bytes", "is %d, and a volume does not shrink", before.SizeBytes)
	f.add(before.PoolID == "" || s.PoolID == before.PoolID, "/pool_id", "is %s, and a volume stays in its pool", before.PoolID)
	return f
}

func validateSnapshot(s provider.SnapshotSpec, hasVolumes bool) []*fault.Error {
	var f faults
	f.label("/project", s.Project)
	f.label("/name", s.Name)
	if s.VolumeID == "" {
		f.id("/instance_id", s.InstanceID)
		return f
	}
	f.id("/volume_id", s.VolumeID)
	f.add(hasVolumes, "/volume_id", "there are no volumes here")
	f.add(s.InstanceID == "", "/instance_id", "must not be set beside volume_id")
	f.add(!s.Memory, "/memory", "is for instances")
	return f
}

// changeSnapshot keeps a snapshot what it is. What is half made may not say yet what it is of.
func changeSnapshot(before provider.Snapshot, s provider.SnapshotSpec) []*fault.Error {
	if before.InstanceID == "" && before.VolumeID == "" {
		return nil
	}
	var f faults
	f.add(s.InstanceID == before.InstanceID, "/instance_id", "is %q, and stays so", before.InstanceID)
	f.add(s.VolumeID == before.VolumeID, "/volume_id", "is %q, and stays so", before.VolumeID)
	f.add(s.Memory == before.Memory, "/memory", "is %t, and stays so", before.Memory)
	return f
}
