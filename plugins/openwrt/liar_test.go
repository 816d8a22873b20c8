// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// lies are the ways in which a provider can say that all is well and be wrong, by the case that must catch each. Only
// packets tell.
var lies = map[string][]string{
	"DATA-LEASE-001":     {"leases another address", "leases no v6 address"},
	"DATA-LEASE-002":     {"leases to strangers"},
	"DATA-NAME-001":      {"misspells names", "answers every network's names"},
	"DATA-DELETE-001":    {"keeps the lease of a deleted port"},
	"DATA-REACH-001":     {"is not at its v6 gateway's address"},
	"DATA-ISOLATION-001": {"lets networks see each other", "lets networks see each other's gateways"},
	"DATA-ISOLATION-002": {"lets the outside in"},
	"DATA-EGRESS-001":    {"lets nobody out"},
	"DATA-EGRESS-002":    {"lets everybody out"},
	"DATA-PEER-001":      {"admits no peer", "lets peers reach every network"},
	"DATA-PEER-002":      {"accepts a neighbour's address from a peer"},
	"DATA-PEER-003":      {"shuts no peer out"},
	"DATA-FLOW-001":      {"breaks flows with each port", "breaks flows with each network"},
	"DATA-FLOW-002":      {"serves no names until it is configured"},
	"DATA-FORWARD-001":   {"forwards nothing", "never shuts a forward"},
}

// liar is a provider that is wrong in one of those ways. It works on the router that it runs on.
type liar struct {
	*Provider
	lie string

	mu     sync.Mutex
	hidden map[string]bool // deleted, it says
	names  []string        // of all networks: what dnsmasq would be told
}

func newLiar(lie string) *liar {
	l := &liar{Provider: New(), lie: lie, hidden: map[string]bool{}}
	if lie == "serves no names until it is configured" {
		l.sh("/etc/init.d/dnsmasq stop")
	}
	return l
}

// sh runs commands on the router. What fails is seen by the suite.
func (l *liar) sh(script string) {
	if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v: %s\n", script, err, out)
	}
}

// after is what the lie does once an object was changed, which may have loaded the rules anew.
func (l *liar) after() {
	switch l.lie {
	case "lets networks see each other":
		l.sh(`nft insert rule inet fw4 forward accept`)
	case "lets networks see each other's gateways":
		l.sh(`nft insert rule inet fw4 input icmp type echo-request accept; nft insert rule inet fw4 input icmpv6 type echo-request accept`)
	case "lets the outside in":
		l.sh(`nft insert rule inet fw4 forward iifname eth0 accept`)
	case "lets peers reach every network":
		l.sh(`nft insert rule inet fw4 forward iifname "rzw_*" accept; nft insert rule inet fw4 forward oifname "rzw_*" accept`)
	}
}

// breakFlows resets whatever connection has a packet on its way.
func (l *liar) breakFlows() {
	l.sh(`nft 'add table inet liar; add chain inet liar forward { type filter hook forward priority -10; }
		add rule inet liar forward meta l4proto tcp reject with tcp reset'; sleep 1; nft delete table inet liar`)
}

// Configure implements provider.Provider.
func (l *liar) Configure(ctx context.Context, text json.RawMessage) error {
	if l.lie == "serves no names until it is configured" {
		l.sh("/etc/init.d/dnsmasq start")
	}
	return l.Provider.Configure(ctx, text)
}

// ApplyNetwork implements provider.Networks.
func (l *liar) ApplyNetwork(ctx context.Context, spec provider.NetworkSpec, progress provider.Progress) (provider.Network, error) {
	switch l.lie {
	case "lets nobody out":
		spec.Egress = provider.EgressNone
	case "lets everybody out":
		spec.Egress = provider.EgressNAT
	case "is not at its v6 gateway's address":
		spec.Subnets = slices.Clone(spec.Subnets)
		for i, s := range spec.Subnets {
			if s.CIDR.Addr().Is6() {
				spec.Subnets[i].Gateway = far(s.Gateway)
			}
		}
	}
	n, err := l.Provider.ApplyNetwork(ctx, spec, progress)
	if err != nil {
		return n, err
	}
	switch l.lie {
	case "leases to strangers":
		p := spec.Subnets[0].CIDR
		l.tellDNS(fmt.Sprintf("dhcp-range=%s,%s,255.255.255.0,1h", far(p.Addr()), far(far(p.Addr()))))
	case "breaks flows with each network":
		l.breakFlows()
	}
	l.after()
	return n, nil
}

// far is an address that no guest of the scene has.
func far(a netip.Addr) netip.Addr {
	for range 100 {
		a = a.Next()
	}
	return a
}

// tellDNS gives every network's dnsmasq a line more.
func (l *liar) tellDNS(line string) {
	l.mu.Lock()
	l.names = append(l.names, line)
	text := strings.Join(l.names, "\n")
	l.mu.Unlock()
	l.sh(`for d in /var/etc/dnsmasq.conf.rz_*; do d=/tmp/dnsmasq.${d#*conf.}.d; mkdir -p $d; cat >$d/liar.conf <<X` + "\n" + text + "\nX\ndone\n/etc/init.d/dnsmasq restart")
}

// ApplyPort implements provider.Ports.
func (l *liar) ApplyPort(ctx context.Context, spec provider.PortSpec, progress provider.Progress) (provider.Port, error) {
	promised := spec
	spec.Addresses = slices.Clone(spec.Addresses)
	switch l.lie {
	case "leases another address":
		spec.Addresses[0] = far(spec.Addresses[0])
	case "leases no v6 address":
		spec.Addresses = spec.Addresses[:1]
	case "misspells names":
		spec.Hostname += "x"
	}
	p, err := l.Provider.ApplyPort(ctx, spec, progress)
	if err != nil {
		return p, err
	}
	switch l.lie {
	case "answers every network's names":
		l.answerEverywhere(promised)
	case "breaks flows with each port":
		l.breakFlows()
	}
	l.after()
	return p, nil
}

func (l *liar) answerEverywhere(spec provider.PortSpec) {
	r, err := l.configured()
	if err != nil {
		return
	}
	f, err := r.load()
	if err != nil {
		return
	}
	if in, ok := f.find(spec.NetworkID); ok {
		l.tellDNS(fmt.Sprintf("host-record=%s.%s,%s", spec.Hostname, in.domain, spec.Addresses[0]))
	}
}

// hide says once of an object that it is gone, and does nothing.
func (l *liar) hide(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hidden[id] {
		return false
	}
	l.hidden[id] = true
	return true
}

func (l *liar) isHidden(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hidden[id]
}

// DeletePort implements provider.Ports.
func (l *liar) DeletePort(ctx context.Context, id string, progress provider.Progress) error {
	switch {
	case l.lie == "keeps the lease of a deleted port" && l.hide(id):
		return nil
	case l.lie == "answers every network's names": // or the provider waits for the name to go
		l.sh("rm -f /tmp/dnsmasq.*/liar.conf; /etc/init.d/dnsmasq restart")
	}
	return l.Provider.DeletePort(ctx, id, progress)
}

// GetPort implements provider.Ports.
func (l *liar) GetPort(ctx context.Context, id string) (provider.Port, error) {
	if l.isHidden(id) {
		return provider.Port{}, fault.New(fault.NoSuchObject, "there is no port %s on this router", id)
	}
	return l.Provider.GetPort(ctx, id)
}

// ApplyPeer implements provider.Peers.
func (l *liar) ApplyPeer(ctx context.Context, spec provider.PeerSpec, progress provider.Progress) (provider.Peer, error) {
	switch l.lie {
	case "admits no peer":
		key, err := wgtypes.GeneratePrivateKey()
		if err != nil {
			return provider.Peer{}, err
		}
		spec.PublicKey = key.PublicKey().String()
	case "accepts a neighbour's address from a peer":
		for _, addr := range slices.Clone(spec.Addresses) {
			spec.Addresses = append(spec.Addresses, addr.Next())
		}
	}
	p, err := l.Provider.ApplyPeer(ctx, spec, progress)
	l.after()
	return p, err
}

// DeletePeer implements provider.Peers.
func (l *liar) DeletePeer(ctx context.Context, id string, progress provider.Progress) error {
	if l.lie == "shuts no peer out" && l.hide(id) {
		return nil
	}
	return l.Provider.DeletePeer(ctx, id, progress)
}

// GetPeer implements provider.Peers.
func (l *liar) GetPeer(ctx context.Context, id string) (provider.Peer, error) {
	if l.isHidden(id) {
		return provider.Peer{}, fault.New(fault.NoSuchObject, "there is no peer %s on this router", id)
	}
	return l.Provider.GetPeer(ctx, id)
}

// forwarder adds the least that makes forwards of packets, since the provider offers none: it keeps nothing over a
// restart. It lies where it is told to.
type forwarder struct {
	*liar
	specs map[string]provider.ForwardSpec
}

// ApplyForward implements provider.Forwards.
func (f *forwarder) ApplyForward(_ context.Context, spec provider.ForwardSpec, _ provider.Progress) (provider.Forward, error) {
	f.mu.Lock()
	f.specs[spec.ID] = spec
	f.mu.Unlock()
	if f.lie != "forwards nothing" {
		f.sh(fmt.Sprintf(`nft 'add table ip forwarder; add chain ip forwarder in { type nat hook prerouting priority -110; }
			add rule ip forwarder in iifname eth0 %s dport %d dnat to %s:%d'; nft insert rule inet fw4 forward ct status dnat accept`,
			spec.Protocol, spec.PortMin, spec.TargetAddress, spec.TargetPort))
	}
	return f.observed(spec), nil
}

func (f *forwarder) observed(spec provider.ForwardSpec) provider.Forward {
	return provider.Forward{Observed: provider.Observed{Tag: spec.Tag, Phase: provider.PhaseReady}, NetworkID: spec.NetworkID}
}

// GetForward implements provider.Forwards.
func (f *forwarder) GetForward(_ context.Context, id string) (provider.Forward, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	spec, ok := f.specs[id]
	if !ok {
		return provider.Forward{}, fault.New(fault.NoSuchObject, "there is no forward %s", id)
	}
	return f.observed(spec), nil
}

// DeleteForward implements provider.Forwards.
func (f *forwarder) DeleteForward(_ context.Context, id string, _ provider.Progress) error {
	f.mu.Lock()
	_, there := f.specs[id]
	delete(f.specs, id)
	f.mu.Unlock()
	if there && f.lie != "never shuts a forward" && f.lie != "forwards nothing" {
		f.sh("nft delete table ip forwarder")
	}
	return nil
}

// ListForwards implements provider.Forwards.
func (f *forwarder) ListForwards(context.Context) ([]provider.Forward, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []provider.Forward
	for _, spec := range f.specs {
		all = append(all, f.observed(spec))
	}
	return all, nil
}

// liarCalled is the provider that a lie's name calls for.
func liarCalled(lie string) provider.Provider {
	if strings.Contains(lie, "forward") {
		return &forwarder{newLiar(lie), map[string]provider.ForwardSpec{}}
	}
	return newLiar(lie)
}
