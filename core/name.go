// SPDX-License-Identifier: Apache-2.0

package core

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

var (
	dnsLabel = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
	idShape  = regexp.MustCompile(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)
	labelKey = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$`)
)

// LooksLikeID reports whether ref has the shape of an id. No name may, so that a path names one thing only.
func LooksLikeID(ref string) bool { return idShape.MatchString(ref) }

// Check returns what is wrong with the name, display name and labels of a create request; pointers are into its body.
func (n New) Check() []*fault.Error {
	var all []*fault.Error
	switch {
	case LooksLikeID(n.Name):
		all = append(all, fault.Invalid("/name", "%q looks like an id; choose a name that does not", n.Name))
	case !dnsLabel.MatchString(n.Name):
		all = append(all, fault.Invalid("/name", "%q is not a DNS label; use 1 to 63 of a-z, 0-9 and -, beginning with a letter and not ending with -", n.Name))
	}
	if len(n.DisplayName) > 200 || hasControl(n.DisplayName) {
		all = append(all, fault.Invalid("/display_name", "use at most 200 bytes without control characters"))
	}
	if len(n.Labels) > 64 {
		all = append(all, fault.Invalid("/labels", "%d labels are too many; use at most 64", len(n.Labels)))
	}
	for _, k := range slices.Sorted(maps.Keys(n.Labels)) {
		at := "/labels/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(k)
		if !labelKey.MatchString(k) {
			all = append(all, fault.Invalid(at, "the key is not valid; use 1 to 63 of A-Z, a-z, 0-9 and ._/-, with a letter or digit at both ends"))
		}
		if v := n.Labels[k]; len(v) > 255 || hasControl(v) {
			all = append(all, fault.Invalid(at, "the value is not valid; use at most 255 bytes without control characters"))
		}
	}
	return all
}

// Meta returns the head of a row that is being created.
func (n New) Meta(id string, now Clock) Meta {
	at := now()
	return Meta{
		ID: id, Name: n.Name, DisplayName: n.DisplayName, Labels: n.Labels,
		Generation: 1, CreatedAt: at, UpdatedAt: at,
	}
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}
