// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Masked stands in the place of a secret.
const Masked = "(secret)"

// Mask returns a configuration as people may see it. Masked stands in the place of every value that the schema marks as
// writeOnly, and of every value that it does not describe: nobody knows what that is.
func (s *Schema) Mask(config map[string]any) map[string]any {
	var top []*jsonschema.Schema
	if s.compiled != nil {
		top = around(s.compiled)
	}
	return maskMembers(top, config)
}

func maskMembers(described []*jsonschema.Schema, object map[string]any) map[string]any {
	out := make(map[string]any, len(object))
	for name, part := range object {
		out[name] = mask(below(described, func(s *jsonschema.Schema) []*jsonschema.Schema { return member(s, name) }), part)
	}
	return out
}

// mask hides the secrets of a value that the schemas describe.
func mask(described []*jsonschema.Schema, value any) any {
	if len(described) == 0 || slices.ContainsFunc(described, func(s *jsonschema.Schema) bool { return s.WriteOnly }) {
		return Masked
	}
	switch v := value.(type) {
	case map[string]any:
		return maskMembers(described, v)
	case []any:
		out := make([]any, len(v))
		for i, part := range v {
			out[i] = mask(below(described, func(s *jsonschema.Schema) []*jsonschema.Schema { return item(s, i) }), part)
		}
		return out
	}
	return value
}

// around returns the schemas and all that may be said of the same value elsewhere. Whether a branch applies is not asked:
// what is a secret in one of them is kept as one.
func around(schemas ...*jsonschema.Schema) (all []*jsonschema.Schema) {
	seen := map[*jsonschema.Schema]bool{}
	for todo := schemas; len(todo) > 0; todo = todo[1:] {
		if s := todo[0]; !seen[s] {
			seen[s] = true
			all = append(all, s)
			todo = append(todo, same(s)...)
		}
	}
	return all
}

// below returns what the schemas say of a part of their value; true and false say nothing.
func below(described []*jsonschema.Schema, part func(*jsonschema.Schema) []*jsonschema.Schema) []*jsonschema.Schema {
	var of []*jsonschema.Schema
	for _, s := range described {
		of = append(of, part(s)...)
	}
	return slices.DeleteFunc(around(of...), func(s *jsonschema.Schema) bool { return s.Bool != nil })
}

// member returns what a schema says of a member of an object.
func member(s *jsonschema.Schema, name string) (all []*jsonschema.Schema) {
	if own := s.Properties[name]; own != nil {
		all = append(all, own)
	}
	for pattern, of := range s.PatternProperties {
		if pattern.MatchString(name) {
			all = append(all, of)
		}
	}
	if rest, ok := s.AdditionalProperties.(*jsonschema.Schema); ok && len(all) == 0 {
		all = append(all, rest)
	}
	if s.UnevaluatedProperties != nil {
		all = append(all, s.UnevaluatedProperties)
	}
	return all
}

// item returns what a schema says of an item of an array.
func item(s *jsonschema.Schema, i int) (all []*jsonschema.Schema) {
	of := s.PrefixItems
	var rest *jsonschema.Schema
	switch items := s.Items.(type) { // before 2020-12
	case *jsonschema.Schema:
		rest = items
	case []*jsonschema.Schema:
		of = items
		rest, _ = s.AdditionalItems.(*jsonschema.Schema)
	}
	if s.Items2020 != nil {
		rest = s.Items2020
	}
	if i < len(of) {
		all = append(all, of[i])
	} else if rest != nil {
		all = append(all, rest)
	}
	for _, of := range []*jsonschema.Schema{s.Contains, s.UnevaluatedItems} {
		if of != nil {
			all = append(all, of)
		}
	}
	return all
}
