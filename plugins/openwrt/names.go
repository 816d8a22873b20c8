// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
)

// Every section of ours carries the handle of its network, eight of [a-z0-9]:
//
//	rz_HANDLE             the network itself: interface, DHCP
//	rzw_HANDLE            its WireGuard interface, and the Linux device of the same name
//	rz_HANDLE_KIND        what a network has once: rz_HANDLE_zone
//	rz_HANDLE_KIND_HASH   what it has many of: the hash is the first 12 digits of the SHA-256 of the object's id
//	rz_trunk_HASH         the bridge of a fabric, shared by its networks; the hash is of the bridge's name
//
// What is named otherwise is not ours.
var (
	handleForm  = regexp.MustCompile(`^[a-z0-9]{8}$`)
	sectionForm = regexp.MustCompile(`^rz_([a-z0-9]{8})(?:_([a-z]+[46]?)(?:_[0-9a-f]{12})?)?$`)
	tunnelForm  = regexp.MustCompile(`^rzw_([a-z0-9]{8})$`)
	trunkForm   = regexp.MustCompile(`^rz_trunk_[0-9a-f]{12}$`)
)

// Kinds of sections that belong to ports and peers.
const (
	kindHost = "host"  // a port's lease and IPv4 name
	kindName = "name6" // a port's IPv6 name
	kindPeer = "peer"
)

func owned(section string) bool {
	_, _, ok := splitName(section)
	return ok || trunkForm.MatchString(section)
}

// splitName returns the handle and the kind that a section's name tells; the kind of rz_H is "", of rzw_H "wireguard".
func splitName(section string) (handle, kind string, ok bool) {
	if m := tunnelForm.FindStringSubmatch(section); m != nil {
		return m[1], "wireguard", true
	}
	if m := sectionForm.FindStringSubmatch(section); m != nil {
		return m[1], m[2], true
	}
	return "", "", false
}

func lanName(handle string) string    { return "rz_" + handle }
func tunnelName(handle string) string { return "rzw_" + handle }
func partName(handle, kind string) string {
	return lanName(handle) + "_" + kind
}
func objectName(handle, kind, id string) string { return partName(handle, kind) + "_" + shortHash(id) }
func trunkName(bridge string) string            { return "rz_trunk_" + shortHash(bridge) }

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:12]
}
