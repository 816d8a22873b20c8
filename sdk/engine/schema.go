// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// schemaURL names the author's schema. It is never fetched.
const schemaURL = "rhyzome:config"

// checkSchema reports everything that the author's schema says against a configuration. No message repeats a value: it
// may be a secret.
func checkSchema(schema, config json.RawMessage) error {
	if len(schema) == 0 {
		return nil
	}
	compiled, err := compile(schema)
	if err != nil {
		return &fault.Error{Code: fault.Internal, Reason: fault.Bug, Message: "the provider's configuration schema is not valid: " + err.Error(), Err: err}
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(config))
	if err != nil {
		return fault.Invalid("", "the configuration must be one JSON object")
	}
	var invalid *jsonschema.ValidationError
	switch err := compiled.Validate(value); {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return fault.Join(violations(invalid)...)
	default:
		return err
	}
}

func compile(schema json.RawMessage) (*jsonschema.Schema, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.UseLoader(nothing{})
	if err := c.AddResource(schemaURL, document); err != nil {
		return nil, err
	}
	return c.Compile(schemaURL)
}

// nothing refuses every reference to the outside.
type nothing struct{}

func (nothing) Load(url string) (any, error) {
	return nil, fmt.Errorf("the reference %q leaves the schema", url)
}

// violations collects the leaves: what is wrong, not what is therefore wrong.
func violations(e *jsonschema.ValidationError) []*fault.Error {
	var all []*fault.Error
	for _, cause := range e.Causes {
		all = append(all, violations(cause)...)
	}
	if len(e.Causes) > 0 {
		return all
	}
	at := pointer(e.InstanceLocation)
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, p := range k.Properties {
			all = append(all, fault.Invalid(at+pointer([]string{p}), "is not a known setting"))
		}
	case *kind.Required:
		for _, p := range k.Missing {
			all = append(all, fault.Invalid(at+pointer([]string{p}), "is missing"))
		}
	default:
		all = append(all, fault.Invalid(at, "%s", demand(e.ErrorKind)))
	}
	return all
}

// demand says what the schema asks for.
func demand(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return "must be of type " + strings.Join(k.Want, " or ")
	case *kind.Enum:
		return fmt.Sprintf("must be one of %v", k.Want)
	case *kind.Const:
		return fmt.Sprintf("must be %v", k.Want)
	case *kind.Format:
		return "must be of format " + k.Want
	case *kind.Pattern:
		return "must match " + k.Want
	case *kind.Minimum:
		return "must be at least " + k.Want.RatString()
	case *kind.Maximum:
		return "must be at most " + k.Want.RatString()
	case *kind.MinLength:
		return fmt.Sprintf("must have at least %d characters", k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %d characters", k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("must have at least %d items", k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %d items", k.Want)
	case *kind.UniqueItems:
		return "must not have an item twice"
	}
	return "does not satisfy " + strings.Join(k.KeywordPath(), "/") + " of the schema"
}

func pointer(tokens []string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(t))
	}
	return b.String()
}
