// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"

	"github.com/rhyzome/rhyzome/lab/openwrt"
	"github.com/rhyzome/rhyzome/sdk/client"
)

// scene prepares the proof: the promises, the router's addresses, and a console of each guest. done closes the consoles.
func (l *Lab) scene(ctx context.Context) (s scene, done func(), err error) {
	if err := l.connect(ctx); err != nil {
		return s, nil, err
	}
	for to, of := range map[*Promise][2]string{
		&s.alice1: {Alice, "web1"}, &s.alice2: {Alice, "web2"}, &s.alice3: {Alice, "uni1"}, &s.bob1: {Bob, "web1"},
	} {
		var ok bool
		if *to, ok = l.record.promise(of[0], of[1]); !ok {
			return s, nil, fmt.Errorf("%s/%s is not in %s", of[0], of[1], recordFile)
		}
	}
	if err := l.gateways(ctx, &s); err != nil {
		return s, nil, err
	}
	peer, err := l.api.Peers.Get(ctx, Alice, networkName, laptopPeer)
	if err != nil {
		return s, nil, err
	}
	s.laptopTunnel = peer.Status.Addresses
	for to, name := range map[*place]string{&s.laptop: laptopName, &s.router: routerName, &s.core: coreName} {
		m, err := l.Machine(ctx, name)
		if err != nil {
			return s, nil, err
		}
		*to = onMachine(name, m)
	}
	done, err = l.consoles(ctx, &s)
	return s, done, err
}

// consoles opens the serial console of each vm, on its host.
func (l *Lab) consoles(ctx context.Context, s *scene) (closeAll func(), err error) {
	var closers []func()
	closeAll = func() {
		for _, c := range closers {
			c()
		}
	}
	for to, promise := range map[*place]Promise{&s.web1: s.alice1, &s.web2: s.alice2, &s.bobsWeb: s.bob1} {
		host, err := l.Machine(ctx, promise.Host)
		if err != nil {
			closeAll()
			return nil, err
		}
		console, closeConsole, err := openConsole(ctx, host, promise.ID)
		if err != nil {
			closeAll()
			return nil, fmt.Errorf("console of %s/%s: %w", promise.Project, promise.Name, err)
		}
		closers = append(closers, closeConsole)
		*to = onGuest(promise.Project+"/"+promise.Name, console)
	}
	return closeAll, nil
}

// gateways collects every address at which the router and the hosts could be reached by mistake.
func (l *Lab) gateways(ctx context.Context, s *scene) error {
	for project, to := range map[string]*[]string{Alice: &s.aliceGateways, Bob: &s.bobGateways} {
		n, err := l.api.Networks.Get(ctx, project, networkName)
		if err != nil {
			return err
		}
		*to = gatewaysOf(n)
	}
	s.aliceDNS = s.aliceGateways[0]
	s.routerOwn = append(append(s.routerOwn, s.aliceGateways...), s.bobGateways...)
	s.routerOwn = append(append(s.routerOwn, plain(routerOnHome)...), openwrt.LANAddress)
	s.hostsOwn = append(plain(hv1OnMgmt), plain(hv2OnMgmt)...)
	return nil
}

func gatewaysOf(n client.Network) (all []string) {
	subnets := n.Status.Subnets
	if wg := n.Status.WireGuard; wg != nil {
		subnets = append(append([]client.Subnet(nil), subnets...), wg.Subnets...)
	}
	for _, s := range subnets {
		all = append(all, s.Gateway)
	}
	return all
}
