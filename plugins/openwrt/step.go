// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"errors"
	"path/filepath"
)

// take does one step.
func (r *router) take(ctx context.Context, s step, e effects) error {
	switch s {
	case stepFirewall:
		return r.loadFirewall(ctx)
	case stepNetwork:
		return r.loadNetwork(ctx)
	case stepPeers:
		return r.setPeers(ctx, e.Handles)
	default:
		return r.serveNames(ctx, e)
	}
}

// loadNetwork has netifd read its configuration again. The owner's resolver is kept off before: it takes the addresses of
// an interface as soon as that comes up.
func (r *router) loadNetwork(ctx context.Context) error {
	if err := r.keepOwnersResolverOff(ctx); err != nil {
		return err
	}
	_, err := r.run.Run(ctx, ubusTimeout, "ubus", "call", "network", "reload")
	return err
}

// loadFirewall renders the rules, has nft check them, and loads them as one.
func (r *router) loadFirewall(ctx context.Context) error {
	if _, err := r.run.Run(ctx, firewallTimeout, "fw4", "check"); err != nil {
		return err
	}
	_, err := r.run.Run(ctx, firewallTimeout, "fw4", "reload")
	return err
}

const dnsmasqScript = "/etc/init.d/dnsmasq"

// serveNames makes dnsmasq, and odhcpd where it is in charge of IPv6, read their configuration again.
func (r *router) serveNames(ctx context.Context, e effects) error {
	for _, l := range e.Forget {
		if err := r.forgetLeases(l); err != nil {
			return configFault(err)
		}
	}
	if _, err := r.run.Run(ctx, dnsmasqTimeout, dnsmasqScript, "reload"); err != nil {
		return err
	}
	if err := r.keepOwnersResolverOff(ctx); err != nil { // its directory may have another name now
		return err
	}
	enabled, err := filepath.Glob(r.odhcpd)
	if err == nil && len(enabled) > 0 {
		_, err = r.run.Run(ctx, dnsmasqTimeout, "/etc/init.d/odhcpd", "reload")
	}
	for _, handle := range e.Retired {
		err = errors.Join(err, configFault(r.removeResolverFiles(handle)))
	}
	return err
}
