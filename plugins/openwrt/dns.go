// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// resolver asks one DNS server. A name that does not exist has no addresses.
type resolver interface {
	Lookup(ctx context.Context, server netip.Addr, name string) ([]netip.Addr, error)
}

// dnsClient asks over the network.
type dnsClient struct{}

func (dnsClient) Lookup(ctx context.Context, server netip.Addr, name string) ([]netip.Addr, error) {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, netip.AddrPortFrom(server, 53).String())
	}}
	found, err := r.LookupNetIP(ctx, "ip", name+".")
	var failed *net.DNSError
	if errors.As(err, &failed) && failed.IsNotFound {
		return nil, nil
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found, err
}

const (
	namesTimeout  = 20 * time.Second
	lookupTimeout = 2 * time.Second
	pollInterval  = 100 * time.Millisecond
)

// awaitName waits until a network's own resolver answers a name with exactly these addresses: the proof that dnsmasq
// runs for that network and has read its configuration.
func (r *router) awaitName(ctx context.Context, server netip.Addr, name string, want []netip.Addr) error {
	want = sorted(want)
	return await(ctx, namesTimeout, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
		defer cancel()
		got, err := r.names.Lookup(ctx, server, name)
		switch {
		case err != nil:
			return described(fault.BackendRefused, err, "dnsmasq does not answer at %s; see the router's log", server)
		case !slices.Equal(sorted(got), want):
			return fault.New(fault.BackendRefused, "dnsmasq at %s answers %v for %s, not %v", server, got, name, want)
		}
		return nil
	})
}

func sorted(addrs []netip.Addr) []netip.Addr {
	return slices.SortedFunc(slices.Values(addrs), netip.Addr.Compare)
}

// await repeats look until it returns nil. When time is up, it returns what look said last.
func await(ctx context.Context, timeout time.Duration, look func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := look(limited)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-limited.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
	}
}
