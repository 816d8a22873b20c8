// SPDX-License-Identifier: Apache-2.0

package schema_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/schema"
)

func compile(t *testing.T, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Compile(json.RawMessage(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSchemaOfAnAuthor(t *testing.T) {
	for _, text := range []string{`{`, `{"type":"nonsense"}`, `{"$ref":"https://example.org/x"}`, `{"$ref":"file:///etc/passwd"}`} {
		if _, err := schema.Compile(json.RawMessage(text)); fault.ReasonOf(err) != fault.Bug {
			t.Errorf("%s: %v", text, err)
		}
	}
	s := compile(t, `{"properties":{"a":{"enum":["x"]},"b":{"pattern":"^y$"},"c":{"const":"z"},"d":{"format":"ipv4"},
		"e":{"minimum":3},"f":{"maxItems":1},"g/h~i":{"type":"string"}}}`)
	const config = `{"a":"secret","b":"secret","c":"secret","d":"secret","e":1,"f":["secret","secret"],"g/h~i":1}`
	err := s.Check(json.RawMessage(config))
	var fields []string
	for _, v := range fault.Of(err).Fields {
		fields = append(fields, v.Field)
	}
	slices.Sort(fields)
	if want := []string{"/a", "/b", "/c", "/d", "/e", "/f", "/g~1h~0i"}; !slices.Equal(fields, want) {
		t.Errorf("fields %q, want %q", fields, want)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("a value is in the message: %v", err)
	}
}

// Schemas that would keep whoever checks a configuration busy for ever are refused; what only refers to itself is not.
func TestHostileSchemas(t *testing.T) {
	defs := []string{`"d0":{"minProperties":0}`}
	for i := range 40 {
		defs = append(defs, fmt.Sprintf(`"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]}`, i+1, i, i))
	}
	doubled := `{"properties":{"a":{"$ref":"#/$defs/d40"}},"$defs":{` + strings.Join(defs, ",") + `}}`
	large := `{"description":"` + strings.Repeat("x", schema.MaxSize) + `"}`
	for name, text := range map[string]string{"doubled 40 times": doubled, "large": large} {
		if _, err := schema.Compile(json.RawMessage(text)); fault.ReasonOf(err) != fault.Bug {
			t.Errorf("%s: %v", name, err)
		}
	}
	escapes := compile(t, `{"properties":{"a":{"enum":["\u001b[2Jx"]},"b":{"pattern":"^`+strings.Repeat("y", 5000)+`$"}}}`)
	if err := escapes.Check(json.RawMessage(`{"a":1,"b":"z"}`)); err == nil || strings.Contains(err.Error(), "\x1b") || len(err.Error()) > 1500 {
		t.Errorf("%q", err)
	}
	if _, err := schema.Compile(json.RawMessage(`{"type":"\u001b[2J"}`)); err == nil || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%q", err)
	}
	tree := compile(t, `{"properties":{"children":{"type":"array","items":{"$ref":"#"}}},"additionalProperties":false}`)
	if err := tree.Check(json.RawMessage(`{"children":[{"children":[{}]},{}]}`)); err != nil {
		t.Error(err)
	}
	circle := compile(t, `{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}`)
	if err := circle.Check(json.RawMessage(`{}`)); err == nil {
		t.Error("a circle allows something")
	}
}

// TestMask hides what is a secret in any way that a schema can say so, and what it says nothing of.
func TestMask(t *testing.T) {
	const config = `{"plain":1,"secret":"x","nested":{"plain":["a"],"secret":"x","other":"x"},"list":[{"key":"x","name":"n"}],
		"ref":"x","maybe":{"password":"x","user":"u"},"x-1":"x","rest":{"deep":"x"},"whole":{"a":{"b":"x"}}}`
	for name, c := range map[string]struct{ schema, want string }{
		"no schema": {``, `{"plain":"(secret)","secret":"(secret)","nested":"(secret)","list":"(secret)","ref":"(secret)","maybe":"(secret)",
			"x-1":"(secret)","rest":"(secret)","whole":"(secret)"}`},
		"true": {`true`, `{"plain":"(secret)","secret":"(secret)","nested":"(secret)","list":"(secret)","ref":"(secret)","maybe":"(secret)",
			"x-1":"(secret)","rest":"(secret)","whole":"(secret)"}`},
		"marked": {`{"properties":{"plain":{"type":"integer"},"secret":{"writeOnly":true},
			"nested":{"properties":{"plain":{"items":{"type":"string"}},"secret":{"type":"string","writeOnly":true}}},
			"list":{"items":{"properties":{"key":{"writeOnly":true},"name":{"type":"string"}}}},
			"ref":{"$ref":"#/$defs/key"},
			"maybe":{"anyOf":[{"properties":{"user":{"type":"string"}}},{"properties":{"password":{"writeOnly":true},"user":{"type":"string"}}}]},
			"whole":{"writeOnly":true,"properties":{"a":{"type":"object"}}}},
			"patternProperties":{"^x-":{"allOf":[{"$ref":"#/$defs/key"}]}},
			"additionalProperties":{"additionalProperties":{"type":"string"}},
			"$defs":{"key":{"writeOnly":true}}}`,
			`{"plain":1,"secret":"(secret)","nested":{"plain":["a"],"secret":"(secret)","other":"(secret)"},
			"list":[{"key":"(secret)","name":"n"}],"ref":"(secret)","maybe":{"password":"(secret)","user":"u"},"x-1":"(secret)",
			"rest":{"deep":"x"},"whole":"(secret)"}`},
		"circular": {`{"$ref":"#/$defs/node","$defs":{"node":{"properties":{"nested":{"$ref":"#/$defs/node"},"plain":{"type":["integer","array"]}}}}}`,
			`{"plain":1,"secret":"(secret)","nested":{"plain":["(secret)"],"secret":"(secret)","other":"(secret)"},"list":"(secret)",
			"ref":"(secret)","maybe":"(secret)","x-1":"(secret)","rest":"(secret)","whole":"(secret)"}`},
	} {
		var value, want map[string]any
		for text, into := range map[string]*map[string]any{config: &value, c.want: &want} {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				t.Fatal(err)
			}
		}
		got, err := json.Marshal(compile(t, c.schema).Mask(value))
		if err != nil {
			t.Fatal(err)
		}
		if wanted, _ := json.Marshal(want); string(got) != string(wanted) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, wanted)
		}
	}
}
