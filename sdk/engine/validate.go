// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"encoding/hex"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Limits of the contract.
const (
	maxHandle  = 4 << 10
	maxDigest  = 256
	maxDomain  = 253
	maxSegment = 1<<24 - 1 // of a VNI; a VLAN id is smaller, and the core knows the fabric's kind
	minMTU     = 576
	maxMTU     = 65535
	maxPort    = 65535 // of TCP and UDP
)

// canonicalUUID is the form that every id has (RFC 9562, 4).
var canonicalUUID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

var dnsLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// faults collects what is wrong with a spec.
type faults []*fault.Error

func (f *faults) add(ok bool, field, format string, args ...any) {
	if !ok {
		*f = append(*f, fault.Invalid(field, format, args...))
	}
}

func validateTag(t provider.Tag) []*fault.Error {
	f := faults(validateID(t.ID))
	f.add(t.Generation >= 1, "/generation", "must be at least 1")
	f.add(t.SpecDigest != "" && len(t.SpecDigest) <= maxDigest, "/spec_digest", "must have 1 to %d characters", maxDigest)
	f.add(len(t.BackendHandle) <= maxHandle, "/backend_handle", "must have at most %d bytes", maxHandle)
	return f
}

// validateHandle checks what withHandle put in.
func validateHandle(ctx context.Context) []*fault.Error {
	var f faults
	f.add(len(provider.HandleFrom(ctx)) <= maxHandle, "/backend_handle", "must have at most %d bytes", maxHandle)
	return f
}

func validateID(id string) []*fault.Error {
	var f faults
	f.id("/id", id)
	return f
}

func (f *faults) id(field, id string) {
	f.add(canonicalUUID.MatchString(id), field, "must be a UUID in its usual lower-case form")
}

func (f *faults) label(field, name string) {
	f.add(dnsLabel.MatchString(name), field, "must be a DNS label")
}

// domain checks a DNS name of labels (RFC 1035, 2.3.1; in lower case), without the dot at its end.
func (f *faults) domain(field, name string) {
	ok := len(name) <= maxDomain
	for _, label := range strings.Split(name, ".") {
		ok = ok && dnsLabel.MatchString(label)
	}
	f.add(ok, field, "must be a DNS name of labels like net.project.example, of at most %d characters", maxDomain)
}

func (f *faults) present(field, text string) { f.add(text != "", field, "is missing") }

func (f *faults) between(field string, n, low, high int) {
	f.add(n >= low && n <= high, field, "must be %d to %d", low, high)
}

func (f *faults) mac(field, mac string) {
	parsed, err := net.ParseMAC(mac)
	unicast := err == nil && len(parsed) == 6 && parsed[0]&1 == 0
	f.add(unicast && parsed.String() == mac, field, "must be a unicast MAC address like 52:54:00:12:34:56")
}

func (f *faults) addresses(field string, addrs []netip.Addr) {
	seen := map[netip.Addr]bool{}
	for i, a := range addrs {
		at := field + "/" + strconv.Itoa(i)
		f.address(at, a)
		f.add(!seen[a], at, "is there twice")
		seen[a] = true
	}
}

func (f *faults) address(field string, a netip.Addr) {
	usable := a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && a.Zone() == "" && !a.Is4In6()
	f.add(usable, field, "must be a unicast IP address without zone")
}

// onePerFamily allows one v4 and one v6 address.
func (f *faults) onePerFamily(field string, addrs []netip.Addr) {
	var v4, v6 int
	for _, a := range addrs {
		if a.Is4() {
			v4++
		} else {
			v6++
		}
	}
	f.add(v4 <= 1 && v6 <= 1, field, "must hold at most one v4 and one v6 address")
}

func (f *faults) subnets(field string, subnets []provider.Subnet) {
	for i, s := range subnets {
		at := field + "/" + strconv.Itoa(i)
		f.add(s.CIDR.IsValid() && s.CIDR == s.CIDR.Masked(), at+"/cidr", "must be an IP prefix without host bits")
		f.add(s.Gateway.IsValid() && s.CIDR.Contains(s.Gateway), at+"/gateway", "must be an address of the subnet")
	}
}

func (f *faults) image(field string, r provider.ImageRef, formats ...provider.ImageFormat) {
	f.digest(field+"/sha256", r.SHA256)
	known := false
	for _, format := range formats {
		known = known || r.Format == format
	}
	f.add(known, field+"/format", "must be one of %v", formats)
	f.add(r.SizeBytes > 0, field+"/size_bytes", "must be more than 0")
}

func (f *faults) digest(field, sha256 string) {
	sum, err := hex.DecodeString(sha256)
	f.add(err == nil && len(sum) == 32 && hex.EncodeToString(sum) == sha256, field, "must be a SHA-256 in lower-case hexadecimal")
}
