// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"strconv"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// InstanceSpecToProto converts all but the tag, which travels as a Command.
func InstanceSpecToProto(s provider.InstanceSpec) *pb.InstanceSpec {
	out := &pb.InstanceSpec{
		Project: s.Project, Name: s.Name, HostId: s.HostID, Kind: instanceKinds[s.Kind],
		Vcpus: unsigned(s.VCPUs), MemoryBytes: s.MemoryBytes, Image: imageRefToProto(s.Image), DiskBytes: s.DiskBytes,
		CommandLine: s.CommandLine, Power: powers[s.Power],
	}
	if s.Initrd != nil {
		out.Initrd = imageRefToProto(*s.Initrd)
	}
	for _, n := range s.NICs {
		out.Nics = append(out.Nics, &pb.Nic{
			PortId: n.PortID, NetworkId: n.NetworkID, Fabric: n.Fabric, SegmentId: unsigned(n.SegmentID),
			Mac: n.MAC, Addresses: addrTexts(n.Addresses), Mtu: unsigned(n.MTU),
		})
	}
	if c := s.CloudInit; c != nil {
		out.CloudInit = &pb.CloudInit{UserData: c.UserData, MetaData: c.MetaData, NetworkConfig: c.NetworkConfig}
	}
	return out
}

// InstanceSpecFromProto is the inverse of InstanceSpecToProto and CommandToProto. fault.InvalidField if an address
// cannot be parsed.
func InstanceSpecFromProto(c *pb.Command, s *pb.InstanceSpec) (provider.InstanceSpec, error) {
	var p parser
	out := provider.InstanceSpec{
		Tag:     CommandFromProto(c),
		Project: s.GetProject(), Name: s.GetName(), HostID: s.GetHostId(), Kind: name(instanceKinds, s.GetKind()),
		VCPUs: int(s.GetVcpus()), MemoryBytes: s.GetMemoryBytes(), Image: imageRefFromProto(s.GetImage()), DiskBytes: s.GetDiskBytes(),
		CommandLine: s.GetCommandLine(), Power: name(powers, s.GetPower()),
	}
	if s.GetInitrd() != nil {
		initrd := imageRefFromProto(s.GetInitrd())
		out.Initrd = &initrd
	}
	for i, n := range s.GetNics() {
		out.NICs = append(out.NICs, provider.NIC{
			PortID: n.GetPortId(), NetworkID: n.GetNetworkId(), Fabric: n.GetFabric(), SegmentID: int(n.GetSegmentId()),
			MAC: n.GetMac(), Addresses: p.addrs("/nics/"+strconv.Itoa(i)+"/addresses", n.GetAddresses()), MTU: int(n.GetMtu()),
		})
	}
	if c := s.GetCloudInit(); c != nil {
		out.CloudInit = &provider.CloudInit{UserData: c.GetUserData(), MetaData: c.GetMetaData(), NetworkConfig: c.GetNetworkConfig()}
	}
	return out, p.err()
}

// InstanceToProto converts what is reported of an instance.
func InstanceToProto(i provider.Instance) *pb.Instance {
	return &pb.Instance{
		Observed: ObservedToProto(i.Observed), Power: powers[i.Power], HostId: i.HostID,
		LastRebootOperationId: i.LastRebootOperationID, LastExecOperationId: i.LastExecOperationID,
	}
}

// InstanceFromProto is the inverse of InstanceToProto.
func InstanceFromProto(i *pb.Instance) (provider.Instance, error) {
	return provider.Instance{
		Observed: ObservedFromProto(i.GetObserved()), Power: name(powers, i.GetPower()), HostID: i.GetHostId(),
		LastRebootOperationID: i.GetLastRebootOperationId(), LastExecOperationID: i.GetLastExecOperationId(),
	}, nil
}

// HostToProto converts a machine that runs instances.
func HostToProto(h provider.Host) *pb.Host {
	return &pb.Host{
		Id: h.ID, Name: h.Name, Capacity: h.Capacity, Fabrics: h.Fabrics, Labels: h.Labels, Architecture: h.Architecture,
	}
}

// HostFromProto is the inverse of HostToProto.
func HostFromProto(h *pb.Host) (provider.Host, error) {
	return provider.Host{
		ID: h.GetId(), Name: h.GetName(), Capacity: h.GetCapacity(), Fabrics: h.GetFabrics(), Labels: h.GetLabels(),
		Architecture: h.GetArchitecture(),
	}, nil
}
