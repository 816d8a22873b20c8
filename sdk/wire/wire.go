// SPDX-License-Identifier: Apache-2.0

// Package wire carries the contract of package provider over gRPC. It converts between the Go types and the protobuf
// messages, and between faults and gRPC statuses; Client is the contract as the core calls it. Package engine serves
// the other side.
//
// Conversions from protobuf tolerate what they don't know, so that a newer peer can be understood: unknown fields and
// enum values become zero values. Only text that cannot be parsed is a fault, with the JSON pointer of its field.
package wire

import (
	"net/netip"
	"strconv"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// parser collects the faults of one message, so that all of them are reported at once.
type parser struct {
	faults []*fault.Error
}

func (p *parser) err() error { return fault.Join(p.faults...) }

func (p *parser) addr(field, text string) netip.Addr {
	if text == "" {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		p.faults = append(p.faults, fault.Invalid(field, "%q is not an IP address", text))
	}
	return a
}

func (p *parser) addrs(field string, texts []string) []netip.Addr {
	var out []netip.Addr
	for i, text := range texts {
		out = append(out, p.addr(field+"/"+strconv.Itoa(i), text))
	}
	return out
}

func (p *parser) prefix(field, text string) netip.Prefix {
	if text == "" {
		return netip.Prefix{}
	}
	a, err := netip.ParsePrefix(text)
	if err != nil {
		p.faults = append(p.faults, fault.Invalid(field, "%q is not an IP prefix", text))
	}
	return a
}

func (p *parser) prefixes(field string, texts []string) []netip.Prefix {
	var out []netip.Prefix
	for i, text := range texts {
		out = append(out, p.prefix(field+"/"+strconv.Itoa(i), text))
	}
	return out
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func addrTexts(addrs []netip.Addr) []string {
	var out []string
	for _, a := range addrs {
		out = append(out, addrText(a))
	}
	return out
}

func prefixText(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

func prefixTexts(prefixes []netip.Prefix) []string {
	var out []string
	for _, p := range prefixes {
		out = append(out, prefixText(p))
	}
	return out
}

// unsigned keeps a negative number, which no field of the contract can hold, from becoming a huge one.
func unsigned(n int) uint32 { return uint32(max(n, 0)) }
