// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/rhyzome/rhyzome/conformance/probe"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// dataplaneCases look at networks from inside, with packets: a provider's own word counts for nothing here.
func dataplaneCases() []Case {
	all := slices.Concat([]Case{
		{
			ID: "DATA-LEASE-001", Needs: wire.ServiceNetwork,
			Title:    "A guest gets exactly its port's addresses",
			Sentence: "A guest MUST get exactly its port's addresses by DHCP, v4 and v6, with the network's gateways as routers.",
			Fix:      "Make a fixed lease a port, by its MAC, in both families, and advertise the router.",
			Catches:  []string{"leases another address", "leases no v6 address"},
			Run:      staged(nil, dataLeases),
		},
		{
			ID: "DATA-LEASE-002", Needs: wire.ServiceNetwork,
			Title:    "A stranger gets no address",
			Sentence: "A machine whose MAC no port has MUST get no address, neither by DHCP nor by a prefix to choose one from.",
			Fix:      "Serve fixed leases only, and advertise prefixes without the autonomous flag.",
			Catches:  []string{"leases to strangers"},
			Run:      staged(nil, dataStrangers),
		},
		{
			ID: "DATA-NAME-001", Needs: wire.ServiceNetwork,
			Title:    "Names are answered to their network, and to no other",
			Sentence: "The network's resolver MUST answer its ports' names with their addresses, and MUST NOT answer another network's.",
			Fix:      "Give each network a resolver of its own that knows its ports, and keep other networks from reaching it.",
			Catches:  []string{"misspells names", "answers every network's names"},
			Run:      staged(nil, dataNames),
		},
		{
			ID: "DATA-DELETE-001", Needs: wire.ServiceNetwork,
			Title:    "A deleted port has no lease and no name",
			Sentence: "When nothing is left of a port, its lease and its name MUST be gone from the network, too.",
			Fix:      "Have the DHCP server forget the lease that it gave, not only the one that it would give.",
			Catches:  []string{"keeps the lease of a deleted port"},
			Run:      staged(nil, dataDeleted),
		},
		{
			ID: "DATA-REACH-001", Needs: wire.ServiceNetwork,
			Title:    "Guests of one network reach each other and their gateways",
			Sentence: "The guests of a network MUST reach each other and their gateways, v4 and v6.",
			Fix:      "Look at the segment's id between the router and the guests, and at the gateways' addresses on the router.",
			Catches:  []string{"is not at its v6 gateway's address"},
			Run:      staged(nil, dataReach),
		},
		{
			ID: "DATA-ISOLATION-001", Needs: wire.ServiceNetwork,
			Title:    "Networks reach each other never",
			Sentence: "A network MUST NOT reach another one: neither its guests nor its gateways, in no family and no protocol.",
			Fix:      "Refuse what goes from one network's interfaces to another's, and to the router's addresses in others.",
			Catches:  []string{"lets networks see each other", "lets networks see each other's gateways"},
			Run:      staged(nil, dataIsolation),
		},
		{
			ID: "DATA-ISOLATION-002", Needs: wire.ServiceNetwork,
			Title:    "The outside does not reach guests",
			Sentence: "The outside MUST NOT reach a network's guests, but through its forwards and peers.",
			Fix:      "Refuse what comes in at the outside interface for a network's addresses, unless it belongs to a flow from inside.",
			Catches:  []string{"lets the outside in"},
			Run:      staged(nil, dataOutside),
		},
		{
			ID: "DATA-EGRESS-001", Needs: wire.ServiceNetwork,
			Title:    "With EGRESS_NAT the outside is reached, with the router's address",
			Sentence: "With EGRESS_NAT the guests MUST reach the outside by v4, and be seen there with the router's own address.",
			Fix:      "Translate what leaves by the outside interface, and let it out.",
			Catches:  []string{"lets nobody out"},
			Run:      staged(nil, dataEgress),
		},
		{
			ID: "DATA-EGRESS-002", Needs: wire.ServiceNetwork,
			Title:    "With EGRESS_NONE nothing leaves",
			Sentence: "With EGRESS_NONE nothing of the network MUST leave the router.",
			Fix:      "Let nothing out that the spec does not let out.",
			Catches:  []string{"lets everybody out"},
			Run:      staged(func(n *provider.NetworkSpec) { n.Egress = provider.EgressNone }, dataNoEgress),
		},
	}, dataplanePeerCases(), dataplaneFlowCases())
	for i := range all {
		all[i].Level, all[i].Profile = Must, Dataplane
	}
	return all
}

func dataLeases(ctx context.Context, c *scene) error {
	for _, g := range c.guests() {
		in := c.a
		if g == &c.foreign {
			in = c.b
		}
		if err := g.leased(in); err != nil {
			return err
		}
	}
	return nil
}

// leased holds the lease against the port and its network.
func (g *guest) leased(in provider.NetworkSpec) error {
	l := g.lease
	for _, subnet := range in.Subnets {
		wanted := pick(g.port.Addresses, subnet.CIDR.Contains)
		if subnet.CIDR.Addr().Is4() {
			if want := netip.PrefixFrom(wanted, subnet.CIDR.Bits()); l.IPv4 != want || l.Router != subnet.Gateway {
				return fmt.Errorf("%s got %s with the router %s by DHCPv4; it must be %s with %s", g.name, l.IPv4, l.Router, want, subnet.Gateway)
			}
			continue
		}
		if l.IPv6 != wanted {
			return fmt.Errorf("%s got %s by DHCPv6; it must be %s", g.name, l.IPv6, wanted)
		}
		if !l.RouterV6.IsValid() {
			return fmt.Errorf("%s sees no router advertise itself", g.name)
		}
	}
	return nil
}

// stranger's MAC is in no port.
const stranger = "52:54:00:c0:f0:fe"

func dataStrangers(ctx context.Context, c *scene) error {
	if len(c.one.lease.Autonomous) > 0 {
		return fmt.Errorf("the router advertises %v to choose addresses from", c.one.lease.Autonomous)
	}
	l, err := c.two.Acquire(ctx, probe.AcquireArgs{Interface: c.two.place.Interface, MAC: stranger, Patience: leaseStaysAway})
	if err == nil && (l.IPv4.IsValid() || l.IPv6.IsValid()) {
		err = fmt.Errorf("a machine with a MAC that no port has got %s and %s", l.IPv4, l.IPv6)
	}
	return err
}

func dataNames(ctx context.Context, c *scene) error {
	if len(c.one.lease.Servers) == 0 {
		return fmt.Errorf("%s was told of no name server", c.one.name)
	}
	for _, server := range c.one.lease.Servers {
		if err := c.one.resolves(ctx, server, c.two.name+"."+c.a.Domain, c.two.port.Addresses); err != nil {
			return err
		}
		if err := c.one.resolves(ctx, server, c.foreign.name+"."+c.b.Domain, nil); err != nil {
			return err
		}
	}
	for _, server := range c.foreign.lease.Servers {
		if err := c.one.resolves(ctx, server, c.foreign.name+"."+c.b.Domain, nil); err != nil {
			return err
		}
	}
	return nil
}

// resolves checks what one server answers; nil for no address.
func (g *guest) resolves(ctx context.Context, server netip.Addr, name string, want []netip.Addr) error {
	answer, err := g.Lookup(ctx, probe.Question{Server: server, Name: name + "."})
	if err != nil {
		return err
	}
	slices.SortFunc(answer.Addresses, netip.Addr.Compare)
	if want := slices.SortedFunc(slices.Values(want), netip.Addr.Compare); !slices.Equal(answer.Addresses, want) {
		return fmt.Errorf("%s asks %s for %s and gets %v; it must be %v", g.name, server, name, answer.Addresses, want)
	}
	return nil
}

func dataDeleted(ctx context.Context, c *scene) error {
	if err := c.two.leased(c.a); err != nil { // or there was nothing to forget
		return err
	}
	if err := c.remove(ctx, portKind(), c.two.port.Tag); err != nil {
		return err
	}
	for _, server := range c.one.lease.Servers {
		if err := c.one.resolves(ctx, server, c.two.name+"."+c.a.Domain, nil); err != nil {
			return err
		}
	}
	l, err := c.two.Acquire(ctx, probe.AcquireArgs{Interface: c.two.place.Interface, Patience: leaseStaysAway})
	if err == nil && (l.IPv4.IsValid() || l.IPv6.IsValid()) {
		err = fmt.Errorf("%s, whose port was deleted, got %s and %s", c.two.name, l.IPv4, l.IPv6)
	}
	return err
}

func dataReach(ctx context.Context, c *scene) error {
	for _, addr := range c.two.port.Addresses {
		if err := c.one.reaches(ctx, &c.two, addr); err != nil {
			return err
		}
	}
	for _, subnet := range c.a.Subnets {
		if err := c.one.hears(ctx, subnet.Gateway); err != nil {
			return err
		}
	}
	return nil
}

func dataIsolation(ctx context.Context, c *scene) error {
	if err := c.foreign.goesOut(ctx, c); err != nil { // or it would reach nothing at all
		return err
	}
	if err := c.one.goesOut(ctx, c); err != nil {
		return err
	}
	if err := c.one.misses(ctx, slices.Concat(c.foreign.port.Addresses, gateways(c.b))...); err != nil {
		return err
	}
	return c.foreign.misses(ctx, slices.Concat(c.one.port.Addresses, gateways(c.a))...)
}

// gateways are the router's addresses in a network and in its tunnel.
func gateways(n provider.NetworkSpec) []netip.Addr {
	subnets := n.Subnets
	if n.WireGuard != nil {
		subnets = slices.Concat(subnets, n.WireGuard.Subnets)
	}
	var all []netip.Addr
	for _, s := range subnets {
		all = append(all, s.Gateway)
	}
	return all
}

// goesOut checks that a guest reaches the outside.
func (g *guest) goesOut(ctx context.Context, c *scene) error {
	return g.reaches(ctx, &c.outside, c.params.Dataplane.Outside.Address)
}

func dataOutside(ctx context.Context, c *scene) error {
	if err := c.two.reaches(ctx, &c.one, c.one.v4()); err != nil {
		return err
	}
	for _, subnet := range c.a.Subnets {
		if subnet.CIDR.Addr().Is4() != c.params.Dataplane.Router.Is4() {
			continue
		}
		route := probe.Route{Interface: c.outside.place.Interface, To: subnet.CIDR, Via: c.params.Dataplane.Router}
		if err := c.outside.SetRoute(ctx, route); err != nil {
			return err
		}
	}
	return c.outside.misses(ctx, c.one.v4())
}

func dataEgress(ctx context.Context, c *scene) error {
	if err := c.one.goesOut(ctx, c); err != nil {
		return err
	}
	for network := range c.outside.token {
		met, err := c.one.Call(ctx, probe.Target{Network: network, Address: at(c.params.Dataplane.Outside.Address)}, c.one.patience)
		if err != nil {
			return err
		}
		if met.From.Addr() != c.params.Dataplane.Router {
			return fmt.Errorf("the outside sees %s as %s by %s; it must be the router, %s", c.one.name, met.From.Addr(), network, c.params.Dataplane.Router)
		}
	}
	return nil
}

func dataNoEgress(ctx context.Context, c *scene) error {
	if err := c.foreign.goesOut(ctx, c); err != nil { // its network may, so there is a way
		return err
	}
	return c.one.misses(ctx, c.params.Dataplane.Outside.Address)
}
