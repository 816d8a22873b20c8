// SPDX-License-Identifier: Apache-2.0

package place_test

import (
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/cloudtest"
	"github.com/rhyzome/rhyzome/core/place"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func TestCordonHost(t *testing.T) {
	c := cloudtest.New(t)
	s := place.New(c.Store, cloudtest.Now, cloudtest.NewID)
	made := c.AddHost("hv1")
	h, err := s.CordonHost(t.Context(), "hv1", true)
	if err != nil || !h.Cordoned || h.Generation != made.Generation+1 {
		t.Errorf("cordoned = %+v, %v", h, err)
	}
	if again, err := s.CordonHost(t.Context(), made.ID, true); err != nil || again.Generation != h.Generation {
		t.Errorf("cordoned again = %+v, %v", again, err)
	}
	if h, err = s.GetHost(t.Context(), "hv1"); err != nil || !h.Cordoned || h.Capacity["vcpus"] == 0 {
		t.Errorf("stored = %+v, %v", h, err)
	}
	if h, err = s.CordonHost(t.Context(), "hv1", false); err != nil || h.Cordoned {
		t.Errorf("uncordoned = %+v, %v", h, err)
	}
	if _, err := s.CordonHost(t.Context(), "hv2", true); fault.ReasonOf(err) != fault.UnknownResource {
		t.Errorf("unknown host: %v", err)
	}
	if got := c.Events(); len(got) != 2 {
		t.Errorf("events = %v, want two changes", got)
	}
}

func TestCreateFabric(t *testing.T) {
	c := cloudtest.New(t)
	s := place.New(c.Store, cloudtest.Now, cloudtest.NewID)
	good := core.FabricSpec{Kind: "vlan", SegmentMin: 1, SegmentMax: 4094}
	if f, err := s.CreateFabric(t.Context(), core.New{Name: "lab"}, good); err != nil || f.Spec != good {
		t.Fatalf("fabric = %+v, %v", f, err)
	}
	for name, c := range map[string]struct {
		name   string
		spec   core.FabricSpec
		fields string
	}{
		"kind":          {"x", core.FabricSpec{Kind: "vxlan", SegmentMin: 1, SegmentMax: 2}, "/spec/kind"},
		"upside down":   {"x", core.FabricSpec{Kind: "vlan", SegmentMin: 3, SegmentMax: 2}, "/spec/segment_max"},
		"out of range":  {"x", core.FabricSpec{Kind: "vlan", SegmentMin: 0, SegmentMax: 4095}, "/spec/segment_min /spec/segment_max"},
		"all of it":     {"X", core.FabricSpec{}, "/name /spec/kind /spec/segment_min /spec/segment_max"},
		"the only one":  {"y", core.FabricSpec{Kind: "vlan", SegmentMin: 5, SegmentMax: 5}, ""},
		"same name too": {"lab", good, "/name"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.CreateFabric(t.Context(), core.New{Name: c.name}, c.spec)
			var fields []string
			if err != nil {
				for _, f := range fault.Of(err).Fields {
					fields = append(fields, f.Field)
				}
			}
			if got := strings.Join(fields, " "); got != c.fields {
				t.Errorf("fields = %q (%v), want %q", got, err, c.fields)
			}
		})
	}
}

func TestDeleteFabric(t *testing.T) {
	c := cloudtest.New(t)
	s := place.New(c.Store, cloudtest.Now, cloudtest.NewID)
	f := c.AddFabric("lab", 1, 2)
	p := c.AddProject("alice")
	n := core.Network{
		Meta: core.New{Name: "lan"}.Meta(cloudtest.NewID(), cloudtest.Now), Project: p.ID,
		Status: core.NetworkStatus{Fabric: "lab", SegmentID: 1, Handle: "aaaaaaaa"},
	}
	c.Update(func(tx core.Tx) error { return tx.Networks().Insert(n) })
	if err := s.DeleteFabric(t.Context(), "lab"); fault.ReasonOf(err) != fault.HasChildren || !strings.Contains(err.Error(), "network lan") {
		t.Errorf("DeleteFabric = %v, want has_children naming the network", err)
	}
	c.Update(func(tx core.Tx) error { return tx.Networks().Delete(n.ID) })
	if err := s.DeleteFabric(t.Context(), f.ID); err != nil {
		t.Error(err)
	}
	if _, err := s.GetFabric(t.Context(), "lab"); fault.ReasonOf(err) != fault.UnknownResource {
		t.Errorf("it is still there: %v", err)
	}
}

func TestListPlaces(t *testing.T) {
	c := cloudtest.New(t)
	s := place.New(c.Store, cloudtest.Now, cloudtest.NewID)
	c.AddHost("hv1")
	c.AddHost("hv2")
	r := c.AddRouter("rt")
	c.AddFabric("lab", 1, 2)
	if hosts, next, err := s.ListHosts(t.Context(), core.Page{}); err != nil || len(hosts) != 2 || next != "" {
		t.Errorf("hosts = %v, %q, %v", hosts, next, err)
	}
	if routers, _, err := s.ListRouters(t.Context(), core.Page{}); err != nil || len(routers) != 1 {
		t.Errorf("routers = %v, %v", routers, err)
	}
	if got, err := s.GetRouter(t.Context(), "rt"); err != nil || got.ID != r.ID || got.Endpoint == nil {
		t.Errorf("router = %v, %v", got, err)
	}
	if fabrics, _, err := s.ListFabrics(t.Context(), core.Page{}); err != nil || len(fabrics) != 1 {
		t.Errorf("fabrics = %v, %v", fabrics, err)
	}
}
