// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

func TestConfigDefaults(t *testing.T) {
	c, err := parseConfig(json.RawMessage(`{"fabrics": {"lab": {"trunk": "eth2"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if c.WANZone != "wan" || c.MTU != 1500 || c.MaxNetworks != 30 || c.Paths.Config != "/etc/config" || c.Endpoint != nil ||
		c.Fabrics["lab"] != (fabric{Trunk: "eth2", Mode: modeVLANBridge, Bridge: "br-rz"}) {
		t.Errorf("%+v", c)
	}
	if none, err := parseConfig(json.RawMessage(`{"max_networks": 0}`)); err != nil || none.MaxNetworks != 0 {
		t.Errorf("%+v, %v", none, err)
	}
}

func TestConfigFaults(t *testing.T) {
	for text, fields := range map[string][]string{
		`{"fabric": {}}`:               {""},
		`{} {}`:                        {""},
		`[]`:                           {""},
		`{"paths": {"config": "etc"}}`: {"/paths/config"},
		`{"paths": {"state": "/"}}`:    {"/paths/state"},
		`{"endpoint": {"host": "h", "port_min": 9, "port_max": 8}}`:                                                   {"/endpoint/port_max"},
		`{"endpoint": {"host": "h", "port_min": 1000, "port_max": 2000, "outside_port_min": 65000}}`:                  {"/endpoint/outside_port_min"},
		`{"fabrics": {"a": {"trunk": "eth2"}, "b": {"trunk": "eth3"}}}`:                                               {"/fabrics/b/bridge"},
		`{"fabrics": {"a": {"trunk": "eth2"}, "b": {"trunk": "eth2", "bridge": "br-b"}}}`:                             {"/fabrics/b/trunk"},
		`{"fabrics": {"a": {"trunk": "longer-than-10", "mode": "prepared"}}}`:                                         {"/fabrics/a/trunk"},
		`{"fabrics": {"a": {"trunk": "eth2", "mode": "prepared", "bridge": "br-a"}}, "paths": {"config": "x"}}`:       {"/fabrics/a/bridge", "/paths/config"},
		`{"fabrics": {"a": {"trunk": "eth2"}, "b": {"trunk": "eth3", "bridge": "br-b"}}, "paths": {"state": "x"}}`:    {"/paths/state"},
		`{"endpoint": {"host": "h", "port_min": 9, "port_max": 8, "outside_port_min": 9}, "paths": {"config": "//"}}`: {"/endpoint/port_max", "/paths/config"},
	} {
		_, err := parseConfig(json.RawMessage(text))
		var got []string
		if f := fault.Of(err); f != nil {
			for _, v := range f.Fields {
				got = append(got, v.Field)
			}
		}
		if slices.Sort(got); !slices.Equal(got, fields) {
			t.Errorf("%s: %q, want %q", text, got, fields)
		}
	}
}

func TestNothingWorksBeforeConfigure(t *testing.T) {
	p := New()
	if err := p.Check(t.Context()); fault.ReasonOf(err) != fault.NotConfigured {
		t.Errorf("%v", err)
	}
	if _, err := p.ListNetworks(t.Context()); fault.ReasonOf(err) != fault.NotConfigured {
		t.Errorf("%v", err)
	}
	if d := p.Describe(); d.Name != "openwrt" || !json.Valid(d.ConfigSchema) {
		t.Errorf("%+v", d)
	}
}

// TestIdentity takes the router's id from the settings, the machine, or a file of its own, in this order.
func TestIdentity(t *testing.T) {
	f := newFake(t)
	p, _ := restart(t, f)
	configure := func(text string) string {
		t.Helper()
		if err := p.Configure(t.Context(), json.RawMessage(text)); err != nil {
			t.Fatal(explain(err))
		}
		return p.router.Load().Router.ID
	}
	if id := configure(`{}`); id != "made-id" {
		t.Errorf("made: %q", id)
	}
	p.machine.newID = func() string { return "another" }
	if id := configure(`{}`); id != "made-id" {
		t.Errorf("kept: %q", id)
	}
	f.write(t, "etc/machine-id", "0123456789abcdef\n")
	if id := configure(`{}`); id != "0123456789abcdef" {
		t.Errorf("machine: %q", id)
	}
	if id := configure(`{"router": {"id": "set"}}`); id != "set" {
		t.Errorf("set: %q", id)
	}
}
