// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"net"
	"net/netip"
	"sync"

	"golang.org/x/time/rate"

	"github.com/rhyzome/rhyzome/core"
)

// Limits of what comes from one address: an IPv4 address, or an IPv6 /64.
const (
	maxPending    = 256 // connections that have not said yet who they are
	maxPendingAll = 4096
	joinsPerMin   = 30
	joinBurst     = 60     // the providers of a site behind one NAT, which all renew when the core is back after weeks
	maxAddresses  = 10_000 // that are remembered
)

// origin returns the address that limits count by.
func origin(a net.Addr) string {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return a.String()
	}
	ip := ap.Addr().Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}

// pending counts connections whose handshake has not ended. A flood from one address leaves room for the others.
type pending struct {
	mu    sync.Mutex
	all   int
	count map[string]int
}

func newPending() *pending { return &pending{count: map[string]int{}} }

func (p *pending) enter(origin string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all >= maxPendingAll || p.count[origin] >= maxPending {
		return false
	}
	p.all++
	p.count[origin]++
	return true
}

func (p *pending) leave(origin string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if p.count[origin]--; p.count[origin] == 0 {
		delete(p.count, origin)
	}
}

// joinLimit bounds how fast an address may try join tokens.
type joinLimit struct {
	now core.Clock

	mu   sync.Mutex
	each map[string]*rate.Limiter
}

func newJoinLimit(now core.Clock) joinLimit {
	return joinLimit{now: now, each: map[string]*rate.Limiter{}}
}

func (j *joinLimit) allow(origin string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.now()
	l := j.each[origin]
	if l == nil {
		if len(j.each) >= maxAddresses {
			j.forget()
		}
		l = rate.NewLimiter(rate.Limit(joinsPerMin)/60, joinBurst)
		j.each[origin] = l
	}
	return l.AllowN(now, 1)
}

// forget drops the addresses that have their full allowance again; all, if every one was busy.
func (j *joinLimit) forget() {
	now := j.now()
	for origin, l := range j.each {
		if l.TokensAt(now) >= joinBurst {
			delete(j.each, origin)
		}
	}
	if len(j.each) >= maxAddresses {
		clear(j.each)
	}
}
