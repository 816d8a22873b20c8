// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/rhyzome/rhyzome/conformance/probe"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

func dataplaneFlowCases() []Case {
	return []Case{
		{
			ID: "DATA-FLOW-001", Needs: wire.ServiceNetwork,
			Title:    "No established flow breaks when other objects change",
			Sentence: "A change of one object MUST NOT break an established flow of another.",
			Fix:      "Change only what the object needs: reload in place of restarting, and load rules as one.",
			Catches:  []string{"breaks flows with each port", "breaks flows with each network"},
			Run:      staged(nil, dataFlows),
		},
		{
			ID: "DATA-FLOW-002", Needs: wire.ServiceNetwork,
			Title:    "Networks go on without the provider's process",
			Sentence: "Networks MUST go on without the provider's process: flows, leases and names.",
			Fix:      "Leave the work to services of the machine; nothing of the data plane runs in the provider.",
			Catches:  []string{"serves no names until it is configured"},
			Run:      staged(nil, dataWithoutProvider),
		},
		{
			ID: "DATA-FORWARD-001", Needs: wire.CapabilityForwards,
			Title:    "A forward leads to its target, and nothing else does",
			Sentence: "A forward MUST lead its outside ports to its target and no others, and MUST be shut when nothing is left of it.",
			Fix:      "Translate the ports of the spec alone, in the protocol of the spec.",
			Catches:  []string{"forwards nothing", "never shuts a forward"},
			Run:      staged(nil, dataForward),
		},
	}
}

// flow is a connection that is kept busy, and from where.
type flow struct {
	from *guest
	what string
	id   int
}

// hold opens a connection from one place to another, and keeps it busy.
func (g *guest) hold(ctx context.Context, other *guest, addr netip.Addr) (flow, error) {
	f := flow{from: g, what: fmt.Sprintf("from %s to %s at %s", g.name, other.name, addr)}
	var err error
	if f.id, err = g.Hold(ctx, probe.Target{Network: "tcp", Address: at(addr)}); err != nil {
		return f, fmt.Errorf("a connection %s: %w", f.what, err)
	}
	return f, nil
}

// holdAll opens a connection each way that the scene has: within the network, to the outside, and through the tunnel.
func (c *scene) holdAll(ctx context.Context) ([]flow, error) {
	ways := []struct {
		from, to *guest
		addr     netip.Addr
	}{{&c.one, &c.two, c.two.v4()}, {&c.one, &c.outside, c.params.Dataplane.Outside.Address}}
	if c.description.Offers(wire.CapabilityPeers) {
		if _, err := c.admitted(ctx); err != nil {
			return nil, err
		}
		for _, addr := range c.one.port.Addresses {
			if err := c.outside.reaches(ctx, &c.one, addr); err != nil {
				return nil, err
			}
			ways = append(ways, struct {
				from, to *guest
				addr     netip.Addr
			}{&c.outside, &c.one, addr})
		}
	}
	var all []flow
	for _, w := range ways {
		f, err := w.from.hold(ctx, w.to, w.addr)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

// intact checks that connections live, made no long pause, and still carry something.
func (c *scene) intact(ctx context.Context, flows []flow) error {
	for _, f := range flows {
		before, err := f.from.Held(ctx, f.id)
		if err != nil {
			return err
		}
		err = within(ctx, c.params.Dataplane.Patience, fmt.Sprintf("something comes back on the connection %s", f.what), func(ctx context.Context) (bool, error) {
			now, err := f.from.Held(ctx, f.id)
			switch {
			case err != nil:
				return false, err
			case now.Broken != "":
				return false, fmt.Errorf("the connection %s broke after %d messages: %s", f.what, now.Exchanged, now.Broken)
			case now.Pause > c.params.Dataplane.Pause:
				return false, fmt.Errorf("the connection %s made a pause of %s", f.what, now.Pause)
			}
			return now.Exchanged > before.Exchanged+1, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func dataFlows(ctx context.Context, c *scene) error {
	flows, err := c.holdAll(ctx)
	if err != nil {
		return err
	}
	others := c.networkSpec()
	port := c.portSpec(c.b)
	port.Hostname, port.MAC = "another", stranger
	for i, addr := range port.Addresses {
		port.Addresses[i] = addr.Next().Next().Next().Next()
	}
	changes := []struct {
		what string
		kind kind
		draft
	}{
		{"a port of another network", portKind(), applyPort(port)},
		{"another network", networkKind(), applyNetwork(others)},
	}
	if c.description.Offers(wire.CapabilityPeers) {
		peer, err := c.newLaptop(ctx, 1)
		if err != nil {
			return err
		}
		changes = append(changes, struct {
			what string
			kind kind
			draft
		}{"another peer", peerKind(), applyPeer(peer.spec)})
	}
	for _, change := range changes {
		if _, err := c.make(ctx, change.kind, change.draft); err != nil {
			return err
		}
		if err := c.intact(ctx, flows); err != nil {
			return fmt.Errorf("%s was made: %w", change.what, err)
		}
	}
	for _, change := range changes {
		if err := c.remove(ctx, change.kind, change.tag); err != nil {
			return err
		}
		if err := c.intact(ctx, flows); err != nil {
			return fmt.Errorf("%s was deleted: %w", change.what, err)
		}
	}
	return nil
}

func dataWithoutProvider(ctx context.Context, c *scene) error {
	flows, err := c.holdAll(ctx)
	if err != nil {
		return err
	}
	if err := c.two.leased(c.a); err != nil {
		return err
	}
	if err := c.restartBare(ctx); err != nil { // without configuration it can do nothing
		return err
	}
	without := errors.Join(c.intact(ctx, flows), c.two.acquire(ctx), c.two.leased(c.a))
	for _, server := range c.one.lease.Servers {
		without = errors.Join(without, c.one.resolves(ctx, server, c.two.name+"."+c.a.Domain, c.two.port.Addresses))
	}
	if without != nil {
		without = fmt.Errorf("the provider's process was killed: %w", without)
	}
	return errors.Join(without, c.Restart(ctx))
}

func dataForward(ctx context.Context, c *scene) error {
	spec := c.forwardSpec(c.a)
	spec.TargetAddress, spec.TargetPort, spec.PortMax = c.one.v4(), servicePort, spec.PortMin
	if _, err := c.make(ctx, forwardKind(), applyForward(spec)); err != nil {
		return err
	}
	token, err := c.callRouter(ctx, "tcp", spec.PortMin, c.params.Dataplane.Patience)
	switch {
	case err != nil:
		return err
	case token != c.one.token["tcp"]:
		return fmt.Errorf("the outside calls port %d, and %s does not answer", spec.PortMin, c.one.name)
	}
	for network, port := range map[string]int{"tcp": spec.PortMin + 1, "udp": spec.PortMin} {
		if err := c.shut(ctx, network, port); err != nil {
			return err
		}
	}
	if err := c.remove(ctx, forwardKind(), spec.Tag); err != nil {
		return err
	}
	return c.shut(ctx, "tcp", spec.PortMin)
}

// callRouter calls a port of the router's outside, and returns who answers; "" for nobody.
func (c *scene) callRouter(ctx context.Context, network string, port int, patience time.Duration) (string, error) {
	target := probe.Target{Network: network, Address: netip.AddrPortFrom(c.params.Dataplane.Router, uint16(port))}
	met, err := c.outside.Call(ctx, target, patience)
	return met.Token, err
}

// shut checks that no guest answers at a port of the router's outside.
func (c *scene) shut(ctx context.Context, network string, port int) error {
	token, err := c.callRouter(ctx, network, port, staysAway)
	if err == nil && token != "" {
		err = fmt.Errorf("%s port %d leads to a guest, and no forward leads there", network, port)
	}
	return err
}
