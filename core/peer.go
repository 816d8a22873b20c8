// SPDX-License-Identifier: Apache-2.0

package core

import (
	"encoding/base64"
	"slices"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Peer is a remote WireGuard endpoint admitted to a network. Its private key never leaves the client.
type Peer struct {
	Meta
	Project string     `json:"project"`
	Network string     `json:"network" description:"Id of the network."`
	Spec    PeerSpec   `json:"spec"`
	Status  PeerStatus `json:"status"`
}

// PeerSpec is what was asked.
type PeerSpec struct {
	PublicKey string `json:"public_key" required:"true" minLength:"44" maxLength:"44" description:"Base64, as wg pubkey prints it."`
}

// PeerStatus is what is true.
type PeerStatus struct {
	State      PeerState  `json:"state" enum:"building,ready,deleting,error,unknown"`
	Message    string     `json:"message,omitempty"`
	Addresses  []string   `json:"addresses" nullable:"false" description:"The peer's own, on the tunnel."`
	AllowedIPs []string   `json:"allowed_ips" nullable:"false" description:"What the peer reaches through the tunnel."`
	DNS        []string   `json:"dns" nullable:"false"`
	Operation  string     `json:"operation,omitempty"`
	ObservedAt *time.Time `json:"observed_at,omitempty"`
}

// PeerState of a peer.
type PeerState string

// The states of a peer.
const (
	PeerBuilding PeerState = "building"
	PeerReady    PeerState = "ready"
	PeerDeleting PeerState = "deleting"
	PeerError    PeerState = "error"
	PeerUnknown  PeerState = "unknown"
)

// CheckPublicKey refuses what is not a Curve25519 public key as wg prints it.
func CheckPublicKey(field, key string) *fault.Error {
	raw, err := base64.StdEncoding.Strict().DecodeString(key)
	switch {
	case err != nil || len(raw) != 32 || len(key) != 44:
		return fault.Invalid(field, "it is not a WireGuard public key; use the 44 characters that wg pubkey prints")
	case slices.Max(raw) == 0:
		return fault.Invalid(field, "a key of zeros is no key; use the 44 characters that wg pubkey prints")
	}
	return nil
}
