// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/rhyzome/rhyzome/conformance/probe"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

const (
	// staysAway is how long the cases wait for what must not come.
	staysAway = 2 * time.Second
	// leaseStaysAway is that for leases: a server may look first whether somebody has the address, for seconds.
	leaseStaysAway = 6 * time.Second

	// servicePort is where guests and the outside offer a service to be called.
	servicePort = 8080
)

// scene is two networks, a and b, with guests that have their leases: one and two in a, foreign in b.
type scene struct {
	*Session
	a, b              provider.NetworkSpec
	one, two, foreign guest
	outside           guest
}

// guest is a place with its port. The outside has none.
type guest struct {
	*probe.Client
	name     string
	patience time.Duration // with what must come
	place    Place
	port     provider.PortSpec
	lease    probe.Lease
	token    map[string]string // what its services answer with, by protocol
}

// staged gives a case the scene. Alter changes network a before it is made; it may be nil.
func staged(alter func(*provider.NetworkSpec), run func(context.Context, *scene) error) func(context.Context, *Session) error {
	return func(ctx context.Context, s *Session) (err error) {
		c := &scene{Session: s}
		defer func() { err = errors.Join(err, c.leave(cleanUp(ctx))) }()
		if err := c.enter(ctx, alter); err != nil {
			return err
		}
		return run(ctx, c)
	}
}

func (c *scene) enter(ctx context.Context, alter func(*provider.NetworkSpec)) error {
	c.a, c.b = c.networkSpec(), c.networkSpec()
	c.a.SegmentID, c.b.SegmentID = c.params.Dataplane.SegmentA, c.params.Dataplane.SegmentB
	if alter != nil {
		alter(&c.a)
	}
	for _, spec := range []provider.NetworkSpec{c.a, c.b} {
		if _, err := c.make(ctx, networkKind(), applyNetwork(spec)); err != nil {
			return err
		}
	}
	d := c.params.Dataplane
	c.one = guest{Client: c.places.a1, name: "guest-one", patience: d.Patience, place: d.GuestA1}
	c.two = guest{Client: c.places.a2, name: "guest-two", patience: d.Patience, place: d.GuestA2}
	c.foreign = guest{Client: c.places.b, name: "guest-foreign", patience: d.Patience, place: d.GuestB}
	c.outside = guest{Client: c.places.outside, name: "outside", patience: d.Patience, place: d.Outside}
	for n, g := range c.guests() {
		in := c.a
		if g == &c.foreign {
			in = c.b
		}
		if err := c.plug(ctx, g, in, n); err != nil {
			return err
		}
	}
	return c.outside.offer(ctx)
}

func (c *scene) guests() []*guest { return []*guest{&c.one, &c.two, &c.foreign} }

// plug makes a guest's port, and has the guest ask for its lease.
func (c *scene) plug(ctx context.Context, g *guest, in provider.NetworkSpec, n int) error {
	link, err := g.Reset(ctx, g.place.Interface)
	if err != nil {
		return fmt.Errorf("%s: %w", g.name, err)
	}
	g.port = c.portSpec(in)
	g.port.Hostname, g.port.MAC = g.name, link.MAC
	for i, addr := range g.port.Addresses {
		for range n {
			addr = addr.Next()
		}
		g.port.Addresses[i] = addr
	}
	if _, err := c.make(ctx, portKind(), applyPort(g.port)); err != nil {
		return err
	}
	if err := g.acquire(ctx); err != nil {
		return err
	}
	return g.offer(ctx)
}

// leave takes back what was set up at the places.
func (c *scene) leave(ctx context.Context) error {
	var wrong []error
	for _, g := range append(c.guests(), &c.outside) {
		if g.Client != nil {
			device := g.place.Interface
			if g == &c.outside {
				device = "" // its addresses are its own
			}
			_, err := g.Reset(ctx, device)
			wrong = append(wrong, err)
		}
	}
	return errors.Join(wrong...)
}

// acquire has the guest ask for a lease. What it got is judged by the cases that are about leases.
func (g *guest) acquire(ctx context.Context) (err error) {
	g.lease, err = g.Acquire(ctx, probe.AcquireArgs{Interface: g.place.Interface, Patience: g.patience})
	if err != nil {
		return fmt.Errorf("%s: %w", g.name, err)
	}
	return nil
}

// offer opens the services that others call.
func (g *guest) offer(ctx context.Context) error {
	g.token = map[string]string{}
	for _, network := range []string{"tcp", "udp"} {
		token, err := g.Offer(ctx, probe.Target{Network: network, Address: at(netip.IPv4Unspecified())})
		if err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
		g.token[network] = token
	}
	return nil
}

// at is the service at an address.
func at(a netip.Addr) netip.AddrPort { return netip.AddrPortFrom(a, servicePort) }

// v4 is the guest's own address.
func (g *guest) v4() netip.Addr { return pick(g.port.Addresses, netip.Addr.Is4) }

func pick(all []netip.Addr, is func(netip.Addr) bool) netip.Addr {
	if i := slices.IndexFunc(all, is); i >= 0 {
		return all[i]
	}
	return netip.Addr{}
}

// reaches checks that another guest answers, by echo and by both protocols, at an address of its own.
func (g *guest) reaches(ctx context.Context, other *guest, addr netip.Addr) error {
	if err := g.hears(ctx, addr); err != nil {
		return err
	}
	for network, token := range other.token {
		met, err := g.Call(ctx, probe.Target{Network: network, Address: at(addr)}, g.patience)
		switch {
		case err != nil:
			return err
		case met.Token == "":
			return fmt.Errorf("%s does not reach %s at %s by %s", g.name, other.name, addr, network)
		case met.Token != token:
			return fmt.Errorf("%s calls %s at %s by %s, and somebody else answers", g.name, other.name, addr, network)
		}
	}
	return nil
}

// hears checks that an address answers an echo request.
func (g *guest) hears(ctx context.Context, addr netip.Addr) error {
	answered, err := g.Ping(ctx, addr, g.patience)
	if err == nil && !answered {
		err = fmt.Errorf("%s sends echo requests to %s, and nothing comes back", g.name, addr)
	}
	return err
}

// misses checks that nothing of these addresses answers: no echo, no service.
func (g *guest) misses(ctx context.Context, addresses ...netip.Addr) error {
	answers := make(chan error, len(addresses))
	for _, addr := range addresses {
		go func() { answers <- g.missesOne(ctx, addr) }()
	}
	var wrong []error
	for range addresses {
		wrong = append(wrong, <-answers)
	}
	return errors.Join(wrong...)
}

func (g *guest) missesOne(ctx context.Context, addr netip.Addr) error {
	answered, err := g.Ping(ctx, addr, staysAway)
	switch {
	case err != nil:
		return err
	case answered:
		return fmt.Errorf("%s reaches %s, which must not be", g.name, addr)
	}
	for _, network := range []string{"tcp", "udp"} {
		met, err := g.Call(ctx, probe.Target{Network: network, Address: at(addr)}, staysAway/2)
		if err == nil && met.Token != "" {
			err = fmt.Errorf("%s reaches the service at %s by %s, which must not be", g.name, addr, network)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
