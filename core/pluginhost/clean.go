// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/schema"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// Limits of what a provider says; bytes and counts.
const (
	maxID     = 128
	maxName   = 200
	maxText   = 1000
	maxList   = 256
	maxHandle = 4 << 10
)

// clean cuts a string to size, and takes out what could deceive whoever reads it on a terminal.
func clean(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	if len(s) <= most {
		return s
	}
	for !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

func cleanAll(list []string, most int) []string {
	out := make([]string, 0, min(len(list), maxList))
	for _, s := range list[:min(len(list), maxList)] {
		out = append(out, clean(s, most))
	}
	return out
}

func cleanMap(m map[string]string) map[string]string {
	out := make(map[string]string, min(len(m), maxList))
	for _, k := range slices.Sorted(maps.Keys(m))[:min(len(m), maxList)] {
		out[clean(k, maxName)] = clean(m[k], maxText)
	}
	return out
}

var reasonShape = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)

// cleanFault keeps the cause, which is for our log.
func cleanFault(f *fault.Error) *fault.Error {
	if f == nil {
		return nil
	}
	out := &fault.Error{Code: f.Code, Reason: f.Reason, Message: clean(f.Message, maxText), Metadata: cleanMap(f.Metadata), Err: f.Err}
	if len(out.Reason) > maxName || !reasonShape.MatchString(string(out.Reason)) {
		out.Reason = fault.Bug
	}
	if out.Code <= fault.OK || out.Code > fault.Unauthenticated {
		out.Code = out.Reason.Code()
	}
	for _, v := range f.Fields[:min(len(f.Fields), maxList)] {
		out.Fields = append(out.Fields, fault.FieldViolation{Field: clean(v.Field, maxName), Description: clean(v.Description, maxText)})
	}
	return out
}

func cleanDescription(d wire.Description) (wire.Description, error) {
	if len(d.ConfigSchema) > schema.MaxSize {
		return d, fault.New(fault.TooLarge, "the schema of its configuration has more than %d bytes", schema.MaxSize)
	}
	d.Name, d.Version, d.ProcessID = clean(d.Name, maxName), clean(d.Version, maxName), clean(d.ProcessID, maxID)
	d.Services = cleanAll(d.Services, maxName)
	d.Capabilities = slices.Clone(d.Capabilities[:min(len(d.Capabilities), maxList)])
	for i := range d.Capabilities {
		d.Capabilities[i].Name = clean(d.Capabilities[i].Name, maxName)
	}
	return d, nil
}

func cleanObserved(o provider.Observed) provider.Observed {
	o.ID, o.SpecDigest = clean(o.ID, maxID), clean(o.SpecDigest, maxID)
	o.Step, o.BackendRef = clean(o.Step, maxText), clean(o.BackendRef, maxName)
	o.Percent = min(max(o.Percent, 0), 100)
	o.Failure = cleanFault(o.Failure)
	if len(o.BackendHandle) > maxHandle {
		o.BackendHandle = nil // as if there were none; a part would be worse
	}
	return o
}

func cleanInstance(i provider.Instance) provider.Instance {
	i.Observed, i.HostID = cleanObserved(i.Observed), clean(i.HostID, maxID)
	i.LastRebootOperationID = clean(i.LastRebootOperationID, maxID)
	return i
}

func cleanNetwork(n provider.Network) provider.Network {
	n.Observed, n.WireGuardPublicKey = cleanObserved(n.Observed), clean(n.WireGuardPublicKey, maxID)
	return n
}

func cleanPort(p provider.Port) provider.Port {
	p.Observed, p.NetworkID = cleanObserved(p.Observed), clean(p.NetworkID, maxID)
	return p
}

func cleanPeer(p provider.Peer) provider.Peer {
	p.Observed, p.NetworkID = cleanObserved(p.Observed), clean(p.NetworkID, maxID)
	p.ReceivedBytes, p.SentBytes = max(p.ReceivedBytes, 0), max(p.SentBytes, 0)
	return p
}

func cleanHost(h provider.Host) *provider.Host {
	h.ID, h.Name, h.Architecture = clean(h.ID, maxID), clean(h.Name, maxName), clean(h.Architecture, maxName)
	h.Fabrics, h.Labels = cleanAll(h.Fabrics, maxName), cleanMap(h.Labels)
	capacity := make(map[string]int64, min(len(h.Capacity), maxList))
	for _, unit := range slices.Sorted(maps.Keys(h.Capacity))[:min(len(h.Capacity), maxList)] {
		capacity[clean(unit, maxName)] = max(h.Capacity[unit], 0)
	}
	h.Capacity = capacity
	return &h
}

func cleanRouter(r provider.Router) *provider.Router {
	r.ID, r.Name = clean(r.ID, maxID), clean(r.Name, maxName)
	r.Fabrics, r.Labels = cleanAll(r.Fabrics, maxName), cleanMap(r.Labels)
	r.DelegatedPrefixes = r.DelegatedPrefixes[:min(len(r.DelegatedPrefixes), maxList)]
	r.MTU, r.MaxNetworks = max(r.MTU, 0), max(r.MaxNetworks, 0)
	if r.Endpoint != nil && !usable(*r.Endpoint) {
		r.Endpoint = nil
	}
	return &r
}

// usable reports whether peers could dial an endpoint: it stands in the files that they use.
func usable(e provider.Endpoint) bool {
	_, err := netip.ParseAddr(e.Host)
	if err != nil && (len(e.Host) > maxName || !dnsName.MatchString(e.Host)) {
		return false
	}
	outside := e.OutsidePort(e.PortMin)
	return 1 <= e.PortMin && e.PortMin <= e.PortMax && e.PortMax <= 65535 &&
		1 <= outside && outside+e.PortMax-e.PortMin <= 65535
}

var dnsName = regexp.MustCompile(`^[0-9A-Za-z]([0-9A-Za-z.-]*[0-9A-Za-z])?$`)
