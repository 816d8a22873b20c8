// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// What the value implements is what it offers.
var _ interface {
	provider.Provider
	provider.Instances
	provider.Power
	provider.Images
	provider.Watcher
} = New()

func TestParseConfig(t *testing.T) {
	for _, c := range []struct {
		name, text string
		fields     []string // refused
	}{
		{"nothing", `{}`, nil},
		{"everything", `{"uri":"qemu:///system","data_dir":"/srv/rz","host":{"id":"h","name":"n","labels":{"a":"b"}},
			"fabrics":{"lan":{"kind":"openvswitch","bridge":"br-rz"}},"vcpu_overcommit":2.5,
			"reserved_memory_bytes":1,"reserved_disk_bytes":2,"shutdown_seconds":3}`, nil},
		{"an unknown key", `{"url":"x"}`, []string{""}},
		{"a wrong type", `{"uri":1}`, []string{""}},
		{"two documents", `{} {}`, []string{""}},
		{"not an object", `[]`, []string{""}},
		{"a relative directory", `{"data_dir":"srv"}`, []string{"/data_dir"}},
		{"the root directory", `{"data_dir":"/x/.."}`, []string{"/data_dir"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parseConfig(json.RawMessage(c.text))
			var fields []string
			if f := fault.Of(err); f != nil {
				for _, v := range f.Fields {
					fields = append(fields, v.Field)
				}
			}
			if !slices.Equal(fields, c.fields) || err != nil && fault.ReasonOf(err) != fault.InvalidField {
				t.Errorf("refused %q (%v), want %q", fields, err, c.fields)
			}
		})
	}
}

func TestConfigDefaultsAreThoseOfTheSchema(t *testing.T) {
	var schema struct {
		Properties map[string]struct {
			Default any `json:"default"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(configSchema, &schema); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(defaults())
	if err != nil {
		t.Fatal(err)
	}
	var inGo map[string]any
	if err := json.Unmarshal(text, &inGo); err != nil {
		t.Fatal(err)
	}
	for name, value := range inGo {
		p, ok := schema.Properties[name]
		if !ok {
			t.Errorf("%s is not in the schema", name)
		}
		if p.Default != nil && p.Default != value {
			t.Errorf("%s is %v, and %v in the schema", name, value, p.Default)
		}
		delete(schema.Properties, name)
	}
	for name := range schema.Properties {
		t.Errorf("%s is in the schema only", name)
	}
}

func TestSchemaIsOne(t *testing.T) {
	c := jsonschema.NewCompiler()
	var document any
	if err := json.Unmarshal(configSchema, &document); err != nil {
		t.Fatal(err)
	}
	if err := c.AddResource("config", document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("config")
	if err != nil {
		t.Fatal(err)
	}
	for text, good := range map[string]bool{
		`{}`: true,
		`{"fabrics":{"lan":{"kind":"openvswitch","bridge":"br-rz"}}}`:               true,
		`{"fabrics":{"lan":{"kind":"bridge","bridge":"br-rz"}}}`:                    false,
		`{"fabrics":{"lan":{"kind":"openvswitch","bridge":"a-name-that-is-long"}}}`: false,
		`{"fabrics":{"Not a label":{"kind":"openvswitch","bridge":"br-rz"}}}`:       false,
		`{"data_dir":"x"}`:                 false,
		`{"host":{"id":"../../etc"}}`:      false,
		`{"vcpu_overcommit":0}`:            false,
		`{"reserved_memory_bytes":-1}`:     false,
		`{"shutdown_seconds":0}`:           false,
		`{"host":{"labels":{"rack":"7"}}}`: true,
	} {
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(value); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestConfigureMakesTheDirectories(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := New()
	if err := p.Configure(t.Context(), json.RawMessage(`{"host":{"id":"h"},"data_dir":"`+dir+`"}`)); err != nil {
		t.Fatal(err)
	}
	if images, err := p.ListImages(t.Context()); err != nil || len(images) != 0 {
		t.Errorf("ListImages = %v, %v", images, err)
	}
	err := New().Configure(t.Context(), json.RawMessage(`{"host":{"id":"h"},"data_dir":"/dev/null/x"}`))
	if fault.ReasonOf(err) != fault.InvalidField {
		t.Errorf("a directory that cannot be made: %v", err)
	}
}

func TestNothingBeforeConfigure(t *testing.T) {
	p := New()
	_, get := p.GetInstance(t.Context(), instanceID)
	_, list := p.ListInstances(t.Context())
	_, images := p.ListImages(t.Context())
	for name, err := range map[string]error{
		"GetInstance": get, "ListInstances": list, "ListImages": images, "Check": p.Check(t.Context()),
		"DeleteInstance": p.DeleteInstance(t.Context(), instanceID, func(string, int) {}),
	} {
		if fault.ReasonOf(err) != fault.NotConfigured {
			t.Errorf("%s: %v", name, err)
		}
	}
}
