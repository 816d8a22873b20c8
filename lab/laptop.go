// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"

	"github.com/rhyzome/rhyzome/lab/wan"
	"github.com/rhyzome/rhyzome/sdk/client"
)

// makeLaptop makes the laptop, admits it as a peer of alice's network with a key made on it, and dials.
func (l *Lab) makeLaptop(ctx context.Context, nets segments) error {
	laptop, err := wan.StartLaptop(ctx, l.spec(laptopName), nets.wan, laptopOnWAN...)
	if err != nil {
		return err
	}
	key, err := laptop.NewKey(ctx)
	if err != nil {
		return err
	}
	peer, op, err := l.api.Peers.Create(ctx, Alice, networkName, client.NewPeer{Name: laptopPeer, Spec: client.PeerSpec{PublicKey: key}})
	if err != nil {
		return err
	}
	if err := l.wait(ctx, op); err != nil {
		return err
	}
	config, err := l.api.Peers.Config(ctx, Alice, networkName, laptopPeer)
	if err != nil {
		return err
	}
	l.Progress.Say("peer %s: %v", peer.Name, peer.Status.Addresses)
	return laptop.Dial(ctx, config)
}
