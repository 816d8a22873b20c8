// SPDX-License-Identifier: Apache-2.0

package core

// Port is an instance's attachment to a network: MAC, addresses, name. Ports are made and deleted with their instance.
type Port struct {
	ID          string   `json:"id"`
	Network     string   `json:"network" description:"Id of the network."`
	NetworkName string   `json:"network_name"`
	Instance    string   `json:"instance" description:"Id of the instance."`
	MAC         string   `json:"mac"`
	Addresses   []string `json:"addresses" nullable:"false" description:"Fixed; the guest gets them by DHCP."`
	DNSName     string   `json:"dns_name"`
	Generation  int64    `json:"generation"`
}
