// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

const sentenceMalformed = "A malformed command or spec MUST be refused with INVALID_ARGUMENT, INVALID_FIELD, and a JSON pointer for each field at fault."

// specCases send what cannot be made.
func specCases() []Case {
	bad := func(id, needs, what string, catches []string, run func(context.Context, *Session) error) Case {
		return Case{
			ID: id, Level: Must, Needs: needs, Title: "Each bad field of " + what + " is refused by its name",
			Sentence: sentenceMalformed, Catches: catches, Run: run,
			Fix: "Check every field before you change anything, and name the one at fault: \"/image/sha256\". In Go the SDK checks all but what only your backend knows.",
		}
	}
	failed := func(id, needs, what string, catches []string, run func(context.Context, *Session) error) Case {
		return Case{
			ID: id, Level: Must, Needs: needs, Title: "What cannot be made for want of " + what + " leaves nothing that stays",
			Sentence: "Delete MUST work in whatever state the object is, also after Applies that were refused or failed.",
			Fix:      "Let Delete remove what an Apply made before it failed, and forget the failure with it.", Catches: catches, Run: run,
		}
	}
	return []Case{
		bad("INSTANCE-SPEC-001", wire.ServiceCompute, "an instance", []string{"makes what nobody can run"}, badInstances),
		bad("NETWORK-SPEC-001", wire.ServiceNetwork, "a network", []string{"believes every network"}, badNetworks),
		bad("PORT-SPEC-001", wire.ServiceNetwork, "a port", []string{"believes every port"}, badPorts),
		bad("PEER-SPEC-001", wire.CapabilityPeers, "a peer", []string{"believes every peer"}, badPeers),
		failed("INSTANCE-FAILED-001", wire.CapabilityImages, "an image", []string{"remembers failures for ever"}, func(ctx context.Context, s *Session) error {
			spec := s.instanceSpec()
			spec.Image, _ = s.freshImage()
			if spec.Kind == provider.InstanceUnikernel {
				spec.Image.Format = provider.ImageKernel
			}
			return s.impossible(ctx, instanceKind(), applyInstance(spec))
		}),
		failed("PORT-FAILED-001", wire.ServiceNetwork, "a network", []string{"makes ports of no network"}, func(ctx context.Context, s *Session) error {
			return s.impossible(ctx, portKind(), applyPort(s.portSpec(s.networkSpec())))
		}),
		failed("PEER-FAILED-001", wire.CapabilityPeers, "a network", []string{"makes peers of no network"}, func(ctx context.Context, s *Session) error {
			spec, err := s.peerSpec(s.networkSpec())
			if err != nil {
				return err
			}
			return s.impossible(ctx, peerKind(), applyPeer(spec))
		}),
	}
}

// impossible applies what cannot be made, twice, and sees that Delete leaves nothing.
func (s *Session) impossible(ctx context.Context, k kind, d draft) error {
	_, before, err := s.listed(ctx, k, d.tag.ID)
	if err != nil {
		return err
	}
	for range 2 {
		o, err := s.apply(ctx, k, d, d.tag)
		if err == nil {
			err = s.failure(ctx, k, o)
		}
		if err == nil {
			return fmt.Errorf("the %s is ready, and stands on nothing", k.name)
		}
		if fault.ReasonOf(err) == fault.Bug {
			return fmt.Errorf("the failure has no reason that the core could act on: %w", err)
		}
	}
	if err := s.remove(ctx, k, d.tag); err != nil {
		return err
	}
	if err := s.absent(ctx, k, d.tag.ID); err != nil {
		return err
	}
	_, after, err := s.listed(ctx, k, d.tag.ID)
	if err == nil && after != before {
		err = fmt.Errorf("there were %d objects, and after a failure and its removal there are %d", before, after)
	}
	return err
}

// spoiled is one field made bad.
type spoiled struct {
	field string
	draft draft
}

// refusesEach sends each, and looks that nothing comes of it.
func (s *Session) refusesEach(ctx context.Context, k kind, all []spoiled) error {
	var wrong []error
	for _, bad := range all {
		o, err := s.apply(ctx, k, bad.draft, bad.draft.tag)
		if err == nil {
			err = s.failure(ctx, k, o)
		}
		if err := reason("a bad "+bad.field, err, fault.InvalidField); err != nil {
			wrong = append(wrong, err)
			continue
		}
		if fields := fault.Of(err).Fields; !slices.ContainsFunc(fields, func(v fault.FieldViolation) bool { return v.Field == bad.field }) {
			wrong = append(wrong, fmt.Errorf("the refusal of a bad %s names %v", bad.field, fields))
		}
	}
	return errors.Join(wrong...)
}

func badInstances(ctx context.Context, s *Session) error {
	var all []spoiled
	spoil := func(field string, change func(*provider.InstanceSpec)) {
		spec := s.instanceSpec()
		change(&spec)
		all = append(all, spoiled{field, applyInstance(spec)})
	}
	spoil("/name", func(i *provider.InstanceSpec) { i.Name = "no label" })
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
