// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"net/netip"
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestTagOf(t *testing.T) {
	spec := provider.PortSpec{
		NetworkID: "n", InstanceID: "i", MAC: "52:54:00:00:00:01",
		Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2")}, Hostname: "web",
	}
	tag := mustTag(t, spec)
	// Providers keep digests for years: this value may never change for this spec.
	if want := "1987a9e91de95ef6c38cff002c340c12489756f676b7290b2b67a3a80e3d20ad"; tag.SpecDigest != want {
		t.Errorf("digest = %s, want %s", tag.SpecDigest, want)
	}
	if tag.ID != "id" || tag.Generation != 7 {
		t.Errorf("tag = %+v", tag)
	}
	other := spec
	other.Addresses = []netip.Addr{netip.MustParseAddr("10.0.0.3")}
	if mustTag(t, other).SpecDigest == tag.SpecDigest {
		t.Error("another address has the same digest")
	}
}

func TestTagOfIgnoresFieldsThatAreNotUsed(t *testing.T) {
	type before struct {
		A string
		L []int
	}
	type after struct {
		New  *struct{ X int }
		A    string
		L    []int
		More map[string]string
		N    int
	}
	if a, b := mustTag(t, before{"a", []int{0, 1}}), mustTag(t, after{A: "a", L: []int{0, 1}}); a.SpecDigest != b.SpecDigest {
		t.Error("a field that is not used changes the digest")
	}
	if a, b := mustTag(t, before{"a", []int{0, 1}}), mustTag(t, before{"a", []int{1, 0}}); a.SpecDigest == b.SpecDigest {
		t.Error("the order of a list does not change the digest")
	}
}

func mustTag(t *testing.T, spec any) provider.Tag {
	t.Helper()
	tag, err := core.TagOf("id", 7, spec)
	if err != nil {
		t.Fatal(err)
	}
	return tag
}
