// SPDX-License-Identifier: Apache-2.0

package schema

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

// Check reports everything that the schema says against a configuration, by JSON pointer. No message repeats a value: it
// may be a secret.
func (s *Schema) Check(config json.RawMessage) error {
	if s.compiled == nil {
		return nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(config))
	if err != nil {
		return fault.Invalid("", "the configuration must be one JSON object")
	}
	var invalid *jsonschema.ValidationError
	switch err := s.compiled.Validate(value); {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return fault.Join(violations(invalid)...)
	default:
		return err
	}
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
	at := Pointer(e.InstanceLocation...)
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, p := range k.Properties {
			all = append(all, fault.Invalid(at+Pointer(p), "is not a known setting"))
		}
	case *kind.Required:
		for _, p := range k.Missing {
			all = append(all, fault.Invalid(at+Pointer(p), "is missing"))
		}
	default:
		all = append(all, fault.Invalid(at, "%s", printable(demand(e.ErrorKind))))
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

// Pointer is the JSON pointer (RFC 6901) of a value.
func Pointer(tokens ...string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(t))
	}
	return b.String()
}
