// SPDX-License-Identifier: Apache-2.0

// Package schema holds configurations against the JSON Schema that a provider serves. The provider's SDK and the core
// both do: what the core lets pass, the SDK does not refuse.
package schema

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// address names the author's schema. It is never fetched.
const address = "rhyzome:config"

// Schema of a provider's configuration. The zero value is that of a provider that serves none: it allows everything.
type Schema struct {
	compiled *jsonschema.Schema
}

// Compile prepares a schema; an empty one allows everything. What refers to the outside is refused, as what is no JSON
// Schema: fault.Bug, of the provider.
func Compile(raw json.RawMessage) (*Schema, error) {
	if len(raw) == 0 {
		return &Schema{}, nil
	}
	compiled, err := compile(raw)
	if err != nil {
		return nil, &fault.Error{
			Code: fault.Internal, Reason: fault.Bug, Message: "the provider's configuration schema is not valid: " + err.Error(), Err: err,
		}
	}
	return &Schema{compiled}, nil
}

func compile(raw json.RawMessage) (*jsonschema.Schema, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.UseLoader(nothing{})
	if err := c.AddResource(address, document); err != nil {
		return nil, err
	}
	return c.Compile(address)
}

// nothing refuses every reference to the outside.
type nothing struct{}

func (nothing) Load(url string) (any, error) {
	return nil, fmt.Errorf("the reference %q leaves the schema", url)
}
