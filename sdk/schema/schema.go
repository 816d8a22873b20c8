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

// Limits of a schema: bytes, and schemas that are asked about one value. Somebody else's may combine a few with each other
// so that checking a configuration has no end.
const (
	MaxSize  = 1 << 20
	maxAsked = 10_000
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
			Code: fault.Internal, Reason: fault.Bug, Err: err,
			Message: "the provider's configuration schema is not valid: " + printable(err.Error()),
		}
	}
	return &Schema{compiled}, nil
}

func compile(raw json.RawMessage) (*jsonschema.Schema, error) {
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("it has more than %d bytes", MaxSize)
	}
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
	compiled, err := c.Compile(address)
	if err != nil {
		return nil, err
	}
	if asked(compiled) > maxAsked {
		return nil, fmt.Errorf("it asks more than %d schemas about one value", maxAsked)
	}
	return compiled, nil
}

// nothing refuses every reference to the outside.
type nothing struct{}

func (nothing) Load(url string) (any, error) {
	return nil, fmt.Errorf("the reference %q leaves the schema", url)
}
