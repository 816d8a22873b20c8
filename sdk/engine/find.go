// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// revision of every capability: all of them are as they were first defined.
const revision = 1

// find looks which interfaces p has. What it implements is what is offered.
func (e *Engine) find(p provider.Provider) {
	e.description = wire.Description{Description: p.Describe(), ProcessID: e.options.NewID()}
	e.findCompute(p)
	e.findNetwork(p)
	var ok bool
	if e.verifier, ok = p.(provider.Verifier); ok {
		e.offer(wire.CapabilityVerify)
	}
	if e.planner, ok = p.(provider.Planner); ok {
		e.offer(wire.CapabilityPlan)
	}
	e.watcher, _ = p.(provider.Watcher)
}

func (e *Engine) findCompute(p provider.Provider) {
	instances, ok := p.(provider.Instances)
	if !ok {
		return
	}
	e.description.Services = append(e.description.Services, wire.ServiceCompute)
	e.migrate, _ = p.(provider.Migrate)
	e.instances = newResource(e, instanceVerbs(instances, e.migrate != nil))
	e.sources = append(e.sources, hostSource(e, instances))
	if e.power, ok = p.(provider.Power); ok {
		e.offer(wire.CapabilityPower)
	}
	if e.images, ok = p.(provider.Images); ok {
		e.offer(wire.CapabilityImages)
	}
	if e.resize, ok = p.(provider.Resize); ok {
		e.offer(wire.CapabilityResize)
	}
	if e.migrate != nil {
		e.offer(wire.CapabilityMigrate)
	}
	if e.metrics, ok = p.(provider.Metrics); ok {
		e.offer(wire.CapabilityMetrics)
	}
	if e.console, ok = p.(provider.Console); ok {
		e.offer(wire.CapabilityConsole)
	}
	if e.exec, ok = p.(provider.Exec); ok {
		e.offer(wire.CapabilityExec)
	}
	e.sources = append(e.sources, e.instances.source())
	if volumes, ok := p.(provider.Volumes); ok {
		e.offer(wire.CapabilityVolumes)
		e.volumes = newResource(e, volumeVerbs(volumes))
		e.sources = append(e.sources, poolSource(e, volumes), e.volumes.source())
	}
	if snapshots, ok := p.(provider.Snapshots); ok {
		e.offer(wire.CapabilitySnapshots)
		e.snapshots = newResource(e, snapshotVerbs(snapshots, e.volumes != nil))
		e.sources = append(e.sources, e.snapshots.source())
	}
}

// findNetwork asks for both halves of the service network: one alone carries no traffic.
func (e *Engine) findNetwork(p provider.Provider) {
	networks, hasNetworks := p.(provider.Networks)
	ports, hasPorts := p.(provider.Ports)
	if !hasNetworks || !hasPorts {
		return
	}
	e.description.Services = append(e.description.Services, wire.ServiceNetwork)
	e.networks = newResource(e, networkVerbs(networks))
	e.ports = newResource(e, portVerbs(ports))
	e.sources = append(e.sources, routerSource(e, networks), e.networks.source(), e.ports.source())
	if peers, ok := p.(provider.Peers); ok {
		e.offer(wire.CapabilityPeers)
		e.peers = newResource(e, peerVerbs(peers))
		e.sources = append(e.sources, e.peers.source())
	}
	if forwards, ok := p.(provider.Forwards); ok {
		e.offer(wire.CapabilityForwards)
		e.forwards = newResource(e, forwardVerbs(forwards))
		e.sources = append(e.sources, e.forwards.source())
	}
}

func (e *Engine) offer(capability string) {
	e.description.Capabilities = append(e.description.Capabilities, wire.Capability{Name: capability, Revision: revision})
}
