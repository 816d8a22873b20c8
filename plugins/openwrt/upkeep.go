// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"errors"
	"time"
)

// upkeep repairs what needs no decision of the core: a change that was broken off, peers that the device has lost or
// that somebody added by hand, and the owner's resolver that has come back without our settings, as after a restart of
// the router. What it cannot repair it logs, and tries again next time. While a change runs it does nothing.
func (p *Provider) upkeep(ctx context.Context, r *router, live map[string]netInterface) {
	select {
	case p.queue.turn <- struct{}{}:
		defer func() { <-p.queue.turn }()
	default:
		return
	}
	soon, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	release, err := r.dir.Lock(soon)
	if err != nil {
		r.log.Warn("upkeep: the lock cannot be taken", "error", err)
		return
	}
	defer func() {
		if err := release(); err != nil {
			r.log.Warn("upkeep: the lock cannot be released", "error", err)
		}
	}()
	ctx = context.WithoutCancel(ctx) // an init script is not to be killed half way
	if err := errors.Join(r.repair(ctx), r.repairPeers(live), r.keepOwnersResolverOff(ctx)); err != nil {
		r.log.Warn("upkeep failed; it is tried again", "error", err)
	}
}

func (r *router) repairPeers(live map[string]netInterface) error {
	f, err := r.load()
	if err != nil {
		return err
	}
	for _, c := range f.networks() {
		if c.tunnel == nil || !live[c.tunnel.Name].Up {
			continue
		}
		changed, err := r.setPeersOf(f, c.handle)
		if changed > 0 {
			r.log.Warn("peers of a WireGuard device were not as configured", "interface", c.tunnel.Name, "peers", changed)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
