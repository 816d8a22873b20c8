// SPDX-License-Identifier: Apache-2.0

package core

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

// semver is a semantic version, with or without a v before it: three numbers, what comes before the release, the build.
var semver = regexp.MustCompile(`^v?(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$`)

// OlderVersion reports whether the semantic version a precedes b. What is no semantic version is neither older nor newer
// than anything.
func OlderVersion(a, b string) bool {
	x, y := semver.FindStringSubmatch(a), semver.FindStringSubmatch(b)
	if x == nil || y == nil {
		return false
	}
	for i := 1; i <= 3; i++ {
		if c := cmp.Compare(number(x[i]), number(y[i])); c != 0 {
			return c < 0
		}
	}
	switch {
	case x[4] == "" || y[4] == "":
		return x[4] != "" // 1.0.0-rc.1 precedes 1.0.0
	default:
		return comparePrerelease(strings.Split(x[4], "."), strings.Split(y[4], ".")) < 0
	}
}

// comparePrerelease compares as semver.org, 11.4 says: numbers before words, and fewer parts before more.
func comparePrerelease(a, b []string) int {
	for i := range min(len(a), len(b)) {
		x, errX := strconv.ParseUint(a[i], 10, 64)
		y, errY := strconv.ParseUint(b[i], 10, 64)
		c := 0
		switch {
		case errX == nil && errY == nil:
			c = cmp.Compare(x, y)
		case errX == nil:
			c = -1
		case errY == nil:
			c = 1
		default:
			c = cmp.Compare(a[i], b[i])
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// NewestVersions returns the newest version of each plugin of which a provider is attached.
func NewestVersions(providers []Provider) map[string]string {
	newest := map[string]string{}
	for _, p := range providers {
		s := p.Status
		if s.attached() && s.Plugin != "" && semver.MatchString(s.Version) && (newest[s.Plugin] == "" || OlderVersion(newest[s.Plugin], s.Version)) {
			newest[s.Plugin] = s.Version
		}
	}
	return newest
}

// attached reports whether the provider is there now, whatever it does.
func (s ProviderStatus) attached() bool {
	switch s.State {
	case ProviderReady, ProviderDegraded, ProviderDraining, ProviderDrained:
		return true
	}
	return false
}

// BehindOf returns the newest version of a provider's plugin, if its own is older; empty if not.
func BehindOf(p Provider, newest map[string]string) string {
	if v := newest[p.Status.Plugin]; OlderVersion(p.Status.Version, v) {
		return v
	}
	return ""
}
