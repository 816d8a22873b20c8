// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// scene is everything that the proof starts probes from, and aims at.
type scene struct {
	web1, web2, bobsWeb, laptop, router, core place
	alice1, alice2, alice3, bob1              Promise
	aliceGateways, bobGateways                []string // the router's addresses in the networks
	laptopTunnel                              []string // alice's laptop's addresses on its tunnel
	aliceDNS                                  string
	routerOwn, hostsOwn                       []string // addresses of the router's and the hosts' own services
}

// Verify measures every claim of the lab, with packets and from inside, and returns the table. It needs a complete lab.
func (l *Lab) Verify(ctx context.Context) (*Proof, error) {
	s, done, err := l.scene(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	p := &Proof{say: l.Progress.Say}
	for _, part := range []func(context.Context, *Proof, scene) error{
		ownNetwork, unikernel, remoteAccess, tenantsApart, servicesApart,
	} {
		p.settled = time.Now().Add(patience)
		if err := part(ctx, p, s); err != nil {
			return p, err
		}
	}
	return p, nil
}

// ownNetwork: the vms have the addresses that were promised, and reach each other across hosts, by address and name.
func ownNetwork(ctx context.Context, p *Proof, s scene) error {
	p.add("alice's vms run on different hosts", "two hosts", s.alice1.Host+" and "+s.alice2.Host, s.alice1.Host != s.alice2.Host)
	for _, g := range []struct {
		place   place
		promise Promise
	}{{s.web1, s.alice1}, {s.web2, s.alice2}, {s.bobsWeb, s.bob1}} {
		if err := hasPromised(ctx, p, g.place, g.promise); err != nil {
			return err
		}
	}
	for _, to := range s.alice2.Addresses {
		if err := p.reaches(ctx, s.web1, "alice/web2 by ping to "+to, ping(to), ""); err != nil {
			return err
		}
	}
	for _, to := range append(slices.Clone(s.alice1.Addresses), s.alice1.DNSName) {
		if err := p.reaches(ctx, s.web2, "alice/web1 by http to "+to, fetch(to), s.alice1.Name); err != nil {
			return err
		}
	}
	return nil
}

// patience is for what may still come up when a part of the proof begins: a lease, a first handshake, a unikernel.
const patience = 90 * time.Second

// hasPromised compares a guest's own list of addresses with the create response; the list may still be growing.
func hasPromised(ctx context.Context, p *Proof, at place, promise Promise) error {
	want := slices.Sorted(slices.Values(promise.Addresses))
	for {
		out, _, err := at.run(ctx, ownAddresses)
		if err != nil {
			return fmt.Errorf("%s: %w", at.name, err)
		}
		got := globalAddresses(out)
		slices.Sort(got)
		got = slices.Compact(got)
		if slices.Equal(got, want) || time.Now().After(p.settled) {
			p.equal(at.name+" has the addresses that its create response promised",
				strings.Join(want, " "), strings.Join(got, " "))
			return nil
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

// unikernel: it took its lease and made its request, which the vm's web server remembers.
func unikernel(ctx context.Context, p *Proof, s scene) error {
	seen := get("http://127.0.0.1/cgi-bin/visitors") + " | grep -F -e " + strings.Join(s.alice3.Addresses, " -e ")
	return p.reaches(ctx, s.web1, "was asked for a page by alice/uni1, from its promised address", seen, "")
}

// remoteAccess: the laptop reaches alice's web server through the tunnel, by address and name, v4 and v6.
func remoteAccess(ctx context.Context, p *Proof, s scene) error {
	for _, to := range append(slices.Clone(s.alice1.Addresses), s.alice1.DNSName) {
		if err := p.reaches(ctx, s.laptop, "alice/web1 by http to "+to, fetch(to), s.alice1.Name); err != nil {
			return err
		}
	}
	for _, to := range s.alice2.Addresses {
		if err := p.reaches(ctx, s.laptop, "alice/web2 by ping to "+to, ping(to), ""); err != nil {
			return err
		}
	}
	return nil
}

// tenantsApart: nothing of bob's is reachable for alice's laptop and vms, nor anything of alice's for bob's vm; names
// of others don't resolve, and the other's gateway does not answer.
func tenantsApart(ctx context.Context, p *Proof, s scene) error {
	for _, to := range s.bob1.Addresses {
		for _, from := range []place{s.laptop, s.web1} {
			if err := p.cannotReach(ctx, from, s.router, "bob/web1 by http to "+to, fetch(to)); err != nil {
				return err
			}
			if err := p.cannotReach(ctx, from, s.router, "bob/web1 by ping to "+to, ping(to)); err != nil {
				return err
			}
		}
	}
	for _, c := range []struct {
		allowed place
		target  Promise
	}{{s.web2, s.alice1}, {s.web1, s.alice2}} {
		for _, to := range c.target.Addresses {
			if err := p.cannotReach(ctx, s.bobsWeb, c.allowed, "alice/"+c.target.Name+" by http to "+to, fetch(to)); err != nil {
				return err
			}
			if err := p.cannotReach(ctx, s.bobsWeb, c.allowed, "alice/"+c.target.Name+" by ping to "+to, ping(to)); err != nil {
				return err
			}
		}
	}
	for _, to := range s.laptopTunnel {
		if err := p.cannotReach(ctx, s.bobsWeb, s.web1, "alice's laptop by ping to "+to, ping(to)); err != nil {
			return err
		}
	}
	if err := p.linksApart(ctx, s); err != nil {
		return err
	}
	for _, c := range []struct {
		from, allowed place
		of, name      string
		gateways      []string
	}{
		{s.laptop, s.bobsWeb, "bob", s.bob1.DNSName, s.bobGateways},
		{s.web1, s.bobsWeb, "bob", s.bob1.DNSName, s.bobGateways},
		{s.bobsWeb, s.web1, "alice", s.alice1.DNSName, s.aliceGateways},
	} {
		for _, to := range c.gateways {
			if err := p.cannotReach(ctx, c.from, c.allowed, c.of+"'s gateway by ping to "+to, ping(to)); err != nil {
				return err
			}
			if err := p.cannotReach(ctx, c.from, c.allowed, c.of+"'s names at "+to, lookUp(c.name, to)); err != nil {
				return err
			}
		}
	}
	return p.namesApart(ctx, s)
}

// linksApart: what needs no router, the link-local addresses of alice's segment, is not on bob's.
func (p *Proof) linksApart(ctx context.Context, s scene) error {
	out, _, err := s.web1.run(ctx, ownAddresses)
	if err != nil {
		return err
	}
	for _, to := range linkLocalAddresses(out) {
		if err := p.cannotReach(ctx, s.bobsWeb, s.web2, "alice/web1 by ping to "+to, ping(to+"%eth0")); err != nil {
			return err
		}
	}
	return nil
}

// namesApart: a network's resolver knows the network's names and nobody else's.
func (p *Proof) namesApart(ctx context.Context, s scene) error {
	own := lookUp(s.alice1.DNSName, s.aliceDNS)
	if err := p.reaches(ctx, s.laptop, "alice's resolver for "+s.alice1.DNSName, own, s.alice1.Addresses[0]); err != nil {
		return err
	}
	_, ok, err := s.laptop.run(ctx, lookUp(s.bob1.DNSName, s.aliceDNS))
	if err != nil {
		return err
	}
	p.add("alice's resolver does not know "+s.bob1.DNSName, "no such name", map[bool]string{true: "answers", false: "no such name"}[ok], !ok)
	return nil
}

// servicesApart: no tenant reaches the router's or the hosts' own services, at any of their addresses.
func servicesApart(ctx context.Context, p *Proof, s scene) error {
	tenants := []place{s.laptop, s.web1, s.bobsWeb}
	for _, to := range s.routerOwn {
		for _, from := range tenants {
			if err := p.cannotReach(ctx, from, s.router, "the router's own web server at "+to, fetch(to)); err != nil {
				return err
			}
		}
	}
	for _, to := range s.hostsOwn {
		for _, from := range tenants {
			if err := p.cannotReach(ctx, from, s.core, "a host's own web server at "+to, fetch(to)); err != nil {
				return err
			}
		}
	}
	return nil
}
