// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"net/netip"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

// step is one of the things that make the router follow its configuration. Its value is written into the journal.
type step string

// The steps.
const (
	stepFirewall step = "firewall" // fw4 check, fw4 reload
	stepNetwork  step = "network"  // netifd reads its configuration and makes it so
	stepPeers    step = "peers"    // WireGuard devices get the peers that UCI has: a reload of the network does not do it
	stepNames    step = "names"    // DHCP and DNS
)

// The order matters: a network's firewall stands before its interfaces come up, and until they are gone.
var (
	growing   = []step{stepFirewall, stepNetwork, stepPeers, stepNames}
	shrinking = []step{stepNetwork, stepFirewall, stepNames}
)

// change is one object's part of a transaction.
type change struct {
	plan  func(*files) (needed bool, err error) // edits the files; not needed: nothing is to be done
	steps []step
	undo  []step
	seen  map[step]func(context.Context) error // waits until what a step should bring about is seen
	batch string                               // changes with the same batch can go together; empty for never

	// removes is set where the object goes: a process that finds such a change broken off finishes it, since the object
	// may have been reported as gone.
	removes bool
	// small is set where everything is in one file, which is replaced at once, and in devices that upkeep sets anyway.
	// Such a change needs no journal.
	small bool

	progress provider.Progress
	effects
}

// effects are what a change does besides, as its plan finds out.
type effects struct {
	Made    []string `json:"made,omitempty"`    // sections with tags, whose objects are ready in the end
	Handles []string `json:"handles,omitempty"` // networks that are concerned
	Forget  []leases `json:"forget,omitempty"`  // what DHCP must not remember
	Retired []string `json:"retired,omitempty"` // networks that are gone, with files of their resolver
}

// leases are addresses that were somebody's in a network.
type leases struct {
	Handle    string       `json:"handle"`
	Addresses []netip.Addr `json:"addresses"`
}

func (e *effects) add(other effects) {
	e.Made = append(e.Made, other.Made...)
	e.Handles = append(e.Handles, other.Handles...)
	e.Forget = append(e.Forget, other.Forget...)
	e.Retired = append(e.Retired, other.Retired...)
}

// what says for people what a step does.
func (s step) what() string {
	return map[step]string{
		stepFirewall: "loading the firewall", stepNetwork: "bringing the interfaces up",
		stepPeers: "setting the peers", stepNames: "serving addresses and names",
	}[s]
}
