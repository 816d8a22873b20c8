// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"net/netip"
	"strings"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

func badInstances(ctx context.Context, s *Session) error {
	var all []spoiled
	spoil := func(field string, change func(*provider.InstanceSpec)) {
		spec := s.instanceSpec()
		change(&spec)
		all = append(all, spoiled{field, applyInstance(spec)})
	}
	for _, name := range []string{"", "no label", "padded ", "Upper", "-a", "a.b", "a/../b", "\u00e4", strings.Repeat("a", 64)} {
		spoil("/name", func(i *provider.InstanceSpec) { i.Name = name })
	}
	spoil("/project", func(i *provider.InstanceSpec) { i.Project = "../.." })
	spoil("/host_id", func(i *provider.InstanceSpec) { i.HostID = "no-such-host" })
	spoil("/kind", func(i *provider.InstanceSpec) { i.Kind = "" })
	spoil("/vcpus", func(i *provider.InstanceSpec) { i.VCPUs = 0 })
	spoil("/memory_bytes", func(i *provider.InstanceSpec) { i.MemoryBytes = 0 })
	spoil("/image/sha256", func(i *provider.InstanceSpec) { i.Image.SHA256 = "../../etc/passwd" })
	spoil("/image/format", func(i *provider.InstanceSpec) { i.Image.Format = provider.ImageInitrd })
	spoil("/power", func(i *provider.InstanceSpec) { i.Power = "" })
	spoil("/nics/0/mac", func(i *provider.InstanceSpec) {
		i.NICs = []provider.NIC{{PortID: s.runner.NewID(), NetworkID: s.runner.NewID(), Fabric: "fabric", MAC: "ff:ff:ff:ff:ff:ff", MTU: 1500}}
	})
	return s.refusesEach(ctx, instanceKind(), all)
}

func badNetworks(ctx context.Context, s *Session) error {
	var all []spoiled
	spoil := func(field string, change func(*provider.NetworkSpec)) {
		spec := s.networkSpec()
		change(&spec)
		all = append(all, spoiled{field, applyNetwork(spec)})
	}
	spoil("/name", func(n *provider.NetworkSpec) { n.Name = "no label" })
	spoil("/handle", func(n *provider.NetworkSpec) { n.Handle = "x; reboot" })
	spoil("/router_id", func(n *provider.NetworkSpec) { n.RouterID = "no-such-router" })
	spoil("/fabric", func(n *provider.NetworkSpec) { n.Fabric = "no-such-fabric'" })
	spoil("/segment_id", func(n *provider.NetworkSpec) { n.SegmentID = 1 << 24 })
	spoil("/subnets/0/cidr", func(n *provider.NetworkSpec) {
		n.Subnets[0].CIDR = netip.PrefixFrom(n.Subnets[0].Gateway, n.Subnets[0].CIDR.Bits())
	})
	spoil("/subnets/1/gateway", func(n *provider.NetworkSpec) { n.Subnets[1].Gateway = n.Subnets[0].Gateway })
	spoil("/domain", func(n *provider.NetworkSpec) { n.Domain = "a.example\n\toption force '1'" })
	spoil("/egress", func(n *provider.NetworkSpec) { n.Egress = "" })
	spoil("/mtu", func(n *provider.NetworkSpec) { n.MTU = 10 })
	return s.refusesEach(ctx, networkKind(), all)
}

func badPorts(ctx context.Context, s *Session) error {
	n, err := s.makeNetwork(ctx)
	if err != nil {
		return err
	}
	var all []spoiled
	spoil := func(field string, change func(*provider.PortSpec)) {
		spec := s.portSpec(n)
		change(&spec)
		all = append(all, spoiled{field, applyPort(spec)})
	}
	spoil("/mac", func(p *provider.PortSpec) { p.MAC = "01:00:5e:00:00:01" })
	spoil("/hostname", func(p *provider.PortSpec) { p.Hostname = "a'$(reboot)" })
	spoil("/network_id", func(p *provider.PortSpec) { p.NetworkID = "a" })
	spoil("/addresses/0", func(p *provider.PortSpec) { p.Addresses[0] = netip.MustParseAddr("224.0.0.1") })
	spoil("/addresses/0", func(p *provider.PortSpec) { p.Addresses[0] = netip.MustParseAddr("192.0.2.7") })
	spoil("/addresses/1", func(p *provider.PortSpec) { p.Addresses[1] = p.Addresses[0] })
	return s.refusesEach(ctx, portKind(), all)
}

func badPeers(ctx context.Context, s *Session) error {
	n, err := s.makeNetwork(ctx)
	if err != nil {
		return err
	}
	var all []spoiled
	for field, change := range map[string]func(*provider.PeerSpec){
		"/public_key":  func(p *provider.PeerSpec) { p.PublicKey = "not a key'" },
		"/network_id":  func(p *provider.PeerSpec) { p.NetworkID = "a" },
		"/addresses":   func(p *provider.PeerSpec) { p.Addresses = nil },
		"/addresses/0": func(p *provider.PeerSpec) { p.Addresses[0] = netip.MustParseAddr("127.0.0.1") },
	} {
		spec, err := s.peerSpec(n)
		if err != nil {
			return err
		}
		change(&spec)
		all = append(all, spoiled{field, applyPeer(spec)})
	}
	return s.refusesEach(ctx, peerKind(), all)
}

func badForwards(ctx context.Context, s *Session) error {
	n, err := s.makeNetwork(ctx)
	if err != nil {
		return err
	}
	var all []spoiled
	spoil := func(field string, change func(*provider.ForwardSpec)) {
		spec := s.forwardSpec(n)
		change(&spec)
		all = append(all, spoiled{field, applyForward(spec)})
	}
	spoil("/network_id", func(f *provider.ForwardSpec) { f.NetworkID = "a'; option enabled '0" })
	spoil("/protocol", func(f *provider.ForwardSpec) { f.Protocol = "" })
	spoil("/port_min", func(f *provider.ForwardSpec) { f.PortMin = 0 })
	spoil("/port_max", func(f *provider.ForwardSpec) { f.PortMin, f.PortMax = f.PortMax, f.PortMin })
	spoil("/port_max", func(f *provider.ForwardSpec) { f.PortMax = 1 << 16 })
	spoil("/target_address", func(f *provider.ForwardSpec) { f.TargetAddress = netip.MustParseAddr("224.0.0.1") })
	spoil("/target_port", func(f *provider.ForwardSpec) { f.TargetPort = 0 })
	spoil("/target_port", func(f *provider.ForwardSpec) { f.TargetPort = 1<<16 - 1 }) // and the second one is beyond
	return s.refusesEach(ctx, forwardKind(), all)
}

func badVolumes(ctx context.Context, s *Session) error {
	ref, _ := s.freshImage()
	var all []spoiled
	spoil := func(field string, change func(*provider.VolumeSpec)) {
		spec := s.volumeSpec()
		change(&spec)
		all = append(all, spoiled{field, applyVolume(spec)})
	}
	spoil("/name", func(v *provider.VolumeSpec) { v.Name = strings.Repeat("a", 64) })
	spoil("/project", func(v *provider.VolumeSpec) { v.Project = "../.." })
	spoil("/pool_id", func(v *provider.VolumeSpec) { v.PoolID = "no-such-pool" })
	spoil("/size_bytes", func(v *provider.VolumeSpec) { v.SizeBytes = 0 })
	spoil("/size_bytes", func(v *provider.VolumeSpec) { v.SizeBytes = -1 << 40 })
	spoil("/instance_id", func(v *provider.VolumeSpec) { v.InstanceID = "a\"/><disk" })
	noDigest, kernel := ref, ref
	noDigest.SHA256, kernel.Format = "../../etc/passwd", provider.ImageKernel
	spoil("/image/sha256", func(v *provider.VolumeSpec) { v.Image = &noDigest })
	spoil("/image/format", func(v *provider.VolumeSpec) { v.Image = &kernel })
	return s.refusesEach(ctx, volumeKind(), all)
}

func badSnapshots(ctx context.Context, s *Session) error {
	instance, err := s.makeStopped(ctx)
	if err != nil {
		return err
	}
	var all []spoiled
	spoil := func(field string, change func(*provider.SnapshotSpec)) {
		spec := s.snapshotSpec(instance)
		change(&spec)
		all = append(all, spoiled{field, applySnapshot(spec)})
	}
	spoil("/name", func(o *provider.SnapshotSpec) { o.Name = "-a" })
	spoil("/project", func(o *provider.SnapshotSpec) { o.Project = "a/../../b" })
	spoil("/instance_id", func(o *provider.SnapshotSpec) { o.InstanceID = "" })
	spoil("/instance_id", func(o *provider.SnapshotSpec) { o.InstanceID = "a' --quiesce" })
	spoil("/instance_id", func(o *provider.SnapshotSpec) { o.VolumeID = s.runner.NewID() }) // beside the instance's
	spoil("/volume_id", func(o *provider.SnapshotSpec) { o.InstanceID, o.VolumeID = "", "vda" })
	return s.refusesEach(ctx, snapshotKind(), all)
}
