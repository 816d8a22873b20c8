// SPDX-License-Identifier: Apache-2.0

package memory_test

import (
	"net/netip"
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestForwardsShareNoPort(t *testing.T) {
	b := memory.NewBackend()
	b.SetRouters(memory.DefaultRouter(), provider.Router{ID: "other-router", Fabrics: []string{"fabric"}})
	p := memory.New(b)
	here, there := networkSpec(1), networkSpec(2)
	there.RouterID = "other-router"
	for _, n := range []provider.NetworkSpec{here, there} {
		_, err := p.ApplyNetwork(t.Context(), n, quiet)
		wants(t, "network", err, "")
	}
	first := provider.ForwardSpec{
		Tag: tag(), NetworkID: here.ID, Protocol: provider.ProtocolTCP, PortMin: 8080, PortMax: 8089,
		TargetAddress: netip.MustParseAddr("10.0.0.2"), TargetPort: 80,
	}
	for _, c := range []struct {
		what   string
		change func(*provider.ForwardSpec)
		reason fault.Reason
	}{
		{"the first", func(s *provider.ForwardSpec) { s.Tag = first.Tag }, ""},
		{"the first again", func(s *provider.ForwardSpec) { s.Tag = first.Tag }, ""},
		{"its last port", func(s *provider.ForwardSpec) { s.PortMin, s.PortMax = 8089, 8089 }, fault.ForeignConflict},
		{"around it", func(s *provider.ForwardSpec) { s.PortMin, s.PortMax = 8000, 9000 }, fault.ForeignConflict},
		{"the port behind it", func(s *provider.ForwardSpec) { s.PortMin, s.PortMax = 8090, 8090 }, ""},
		{"the other protocol", func(s *provider.ForwardSpec) { s.Protocol = provider.ProtocolUDP }, ""},
		{"another router", func(s *provider.ForwardSpec) { s.NetworkID = there.ID }, ""},
		{"somebody else's address", func(s *provider.ForwardSpec) { s.TargetAddress = netip.MustParseAddr("10.0.1.2") }, fault.InvalidField},
		{"no network", func(s *provider.ForwardSpec) { s.NetworkID = "?" }, fault.NoSuchObject},
	} {
		spec := first
		spec.Tag = tag()
		c.change(&spec)
		_, err := p.ApplyForward(t.Context(), spec, quiet)
		wants(t, c.what, err, c.reason)
	}
	if n := len(b.Objects()); n != 6 {
		t.Errorf("%d objects, want two networks and four forwards: %v", n, b.Objects())
	}
	wants(t, "network with a forward", p.DeleteNetwork(t.Context(), here.ID, quiet), fault.InUse)
}
