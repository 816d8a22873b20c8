// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"testing"

	"github.com/rhyzome/rhyzome/core"
)

func TestOlderVersion(t *testing.T) {
	// Each precedes all that follow.
	rising := []string{
		"0.9.0", "1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-rc.1", "v1.0.0", "1.2.0", "1.10.0", "2.0.0+x",
	}
	for i, a := range rising {
		for j, b := range rising {
			if got := core.OlderVersion(a, b); got != (i < j) {
				t.Errorf("%s before %s: %v", a, b, got)
			}
		}
	}
	for _, pair := range [][2]string{{"1.0.0", "1.0.0+build"}, {"dev", "1.0.0"}, {"1.0.0", "dev"}, {"", "1.0.0"}, {"1.0", "2.0.0"}, {"01.0.0", "2.0.0"}} {
		if core.OlderVersion(pair[0], pair[1]) || core.OlderVersion(pair[1], pair[0]) {
			t.Errorf("%q is a neighbour of %q", pair[0], pair[1])
		}
	}
}

func TestBehind(t *testing.T) {
	provider := func(plugin, version string, state core.ProviderState) core.Provider {
		return core.Provider{Status: core.ProviderStatus{Plugin: plugin, Version: version, State: state}}
	}
	all := []core.Provider{
		provider("acme", "1.2.0", core.ProviderReady),
		provider("acme", "1.10.0", core.ProviderDrained),
		provider("acme", "2.0.0", core.ProviderUnreachable), // is not attached
		provider("acme", "dev", core.ProviderReady),
		provider("other", "0.1.0", core.ProviderReady),
		provider("acme", "1.0.0", core.ProviderUnreachable),
		provider("", "", core.ProviderJoining),
	}
	newest := core.NewestVersions(all)
	for i, want := range []string{"1.10.0", "", "", "", "", "1.10.0", ""} {
		if got := core.BehindOf(all[i], newest); got != want {
			t.Errorf("%s %s is behind %q, want %q", all[i].Status.Plugin, all[i].Status.Version, got, want)
		}
	}
}
