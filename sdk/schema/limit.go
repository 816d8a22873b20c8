// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// asked returns how many schemas are asked about one value at most, counted as often as they are: what stands twice in an
// allOf, and holds one itself, counts four times. Above maxAsked it stops to count.
func asked(root *jsonschema.Schema) int {
	var most int
	counted := map[*jsonschema.Schema]int{}
	var count func(*jsonschema.Schema) int
	count = func(s *jsonschema.Schema) int {
		if n, known := counted[s]; known {
			return n // 0 for one that is being counted: validation itself stops at a circle
		}
		counted[s] = 0
		n := 1
		for _, other := range same(s) {
			n = min(n+count(other), maxAsked+1)
		}
		counted[s] = n
		most = max(most, n)
		for _, part := range inside(s) {
			count(part)
		}
		return n
	}
	count(root)
	return most
}

// same returns the schemas that say something of the same value.
func same(s *jsonschema.Schema) []*jsonschema.Schema {
	all := slices.Concat(s.AllOf, s.AnyOf, s.OneOf, slices.Collect(maps.Values(s.DependentSchemas)), dependencies(s))
	all = append(all, s.Ref, s.RecursiveRef, s.If, s.Then, s.Else, s.Not)
	if s.DynamicRef != nil {
		all = append(all, s.DynamicRef.Ref)
	}
	return without(all)
}

// dependencies are those of before 2019-09.
func dependencies(s *jsonschema.Schema) (all []*jsonschema.Schema) {
	for _, d := range s.Dependencies {
		if of, ok := d.(*jsonschema.Schema); ok {
			all = append(all, of)
		}
	}
	return all
}

// inside returns the schemas of the parts of a value.
func inside(s *jsonschema.Schema) []*jsonschema.Schema {
	all := slices.Concat(slices.Collect(maps.Values(s.Properties)), slices.Collect(maps.Values(s.PatternProperties)), s.PrefixItems)
	all = append(all, s.PropertyNames, s.UnevaluatedProperties, s.UnevaluatedItems, s.Items2020, s.Contains, s.ContentSchema)
	for _, of := range []any{s.AdditionalProperties, s.Items, s.AdditionalItems} {
		switch of := of.(type) {
		case *jsonschema.Schema:
			all = append(all, of)
		case []*jsonschema.Schema:
			all = append(all, of...)
		}
	}
	return without(all)
}

// without drops what is not there.
func without(all []*jsonschema.Schema) []*jsonschema.Schema {
	return slices.DeleteFunc(all, func(s *jsonschema.Schema) bool { return s == nil })
}

// maxText is how much of a schema's own words are repeated.
const maxText = 500

// printable makes what an author wrote fit for a terminal.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r) || r == utf8.RuneError:
			return -1
		}
		return r
	}, text)
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return text
}
