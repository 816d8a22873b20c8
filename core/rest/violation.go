// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// maxViolations is how many are told at once: a request of a megabyte can be wrong in very many places.
const maxViolations = 50

// inWords says what some patterns mean.
var inWords = map[string]string{
	`^[a-z]([a-z0-9-]*[a-z0-9])?$`: "must be a DNS label: a-z, 0-9 and -, beginning with a letter and not ending with -",
	`^[0-9a-f]{64}$`:               "must be a SHA-256 digest: 64 of 0-9 and a-f",
}

// joined makes one fault of all: of each field the first, in the order of the fields.
func joined(faults []*fault.Error) error {
	field := func(f *fault.Error) string { return f.Fields[0].Field }
	slices.SortStableFunc(faults, func(a, b *fault.Error) int { return strings.Compare(field(a), field(b)) })
	faults = slices.CompactFunc(faults, func(a, b *fault.Error) bool { return field(a) == field(b) })
	if len(faults) > maxViolations {
		more := len(faults) - maxViolations
		faults = append(faults[:maxViolations:maxViolations], fault.Invalid("", "%d more fields are wrong", more))
	}
	return fault.Join(faults...)
}

// violations lists what a schema finds wrong; at is the place of the value. No value is repeated: it may be a secret.
func violations(at string, err error) []*fault.Error {
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return nil
	}
	if len(invalid.Causes) == 0 {
		return explain(at+pointer(invalid.InstanceLocation), invalid.ErrorKind)
	}
	var all []*fault.Error
	for _, cause := range invalid.Causes {
		all = append(all, violations(at, cause)...)
	}
	return all
}

func explain(at string, problem jsonschema.ErrorKind) []*fault.Error {
	switch k := problem.(type) {
	case *kind.Required:
		return each(at, k.Missing, "is missing")
	case *kind.AdditionalProperties:
		return each(at, k.Properties, "is not a field here")
	}
	return []*fault.Error{fault.Invalid(at, "%s", rule(problem))}
}

func each(at string, names []string, what string) (all []*fault.Error) {
	for _, name := range names {
		all = append(all, fault.Invalid(at+pointer([]string{name}), "%s", what))
	}
	return all
}

// rule says what a value has to be.
func rule(problem jsonschema.ErrorKind) string {
	switch k := problem.(type) {
	case *kind.Type:
		return fmt.Sprintf("is of type %s, must be %s", k.Got, strings.Join(k.Want, " or "))
	case *kind.Enum:
		return "must be one of " + strings.Join(words(k.Want), ", ")
	case *kind.Const:
		return "must be " + words([]any{k.Want})[0]
	case *kind.Pattern:
		if said, ok := inWords[k.Want]; ok {
			return said
		}
		return "must match " + k.Want
	case *kind.MinLength:
		return plural("must have at least %d character", k.Want)
	case *kind.MaxLength:
		return plural("must have at most %d character", k.Want)
	case *kind.MinItems:
		return plural("must have at least %d item", k.Want)
	case *kind.MaxItems:
		return plural("must have at most %d item", k.Want)
	case *kind.MaxProperties:
		return plural("must have at most %d entr", k.Want)
	case *kind.Minimum:
		return "must be at least " + k.Want.RatString()
	case *kind.Maximum:
		return "must be at most " + k.Want.RatString()
	}
	return "is not valid here"
}

func plural(format string, n int) string {
	s := fmt.Sprintf(format, n)
	switch stem, isEntry := strings.CutSuffix(s, "entr"); {
	case isEntry && n == 1:
		return stem + "entry"
	case isEntry:
		return stem + "entries"
	case n == 1:
		return s
	}
	return s + "s"
}

func words(values []any) (all []string) {
	for _, v := range values {
		all = append(all, fmt.Sprint(v))
	}
	return all
}

// stored returns the members of a body that a database keeps: not those that may hold anything, which only a provider reads.
func stored(schema *jsonschema.Schema, body map[string]any) map[string]any {
	for schema.Ref != nil {
		schema = schema.Ref
	}
	out := make(map[string]any, len(body))
	for name, part := range body {
		property := schema.Properties[name]
		for property != nil && property.Ref != nil {
			property = property.Ref
		}
		if property == nil || property.AdditionalProperties != true {
			out[name] = part
		}
	}
	return out
}

// unstorable finds what the schema allows and no database keeps: NUL in strings, numbers that are not 64-bit integers.
func unstorable(at string, value any) (all []*fault.Error) {
	switch v := value.(type) {
	case map[string]any:
		for key, part := range v {
			if strings.ContainsRune(key, 0) {
				all = append(all, fault.Invalid(at, "has a key with a NUL character"))
			}
			all = append(all, unstorable(at+pointer([]string{key}), part)...)
		}
	case []any:
		for i, part := range v {
			all = append(all, unstorable(at+"/"+strconv.Itoa(i), part)...)
		}
	case string:
		if strings.ContainsRune(v, 0) {
			all = append(all, fault.Invalid(at, "has a NUL character"))
		}
	case json.Number:
		if _, err := v.Int64(); err != nil {
			all = append(all, fault.Invalid(at, "must be a whole number of at most 64 bits"))
		}
	}
	return all
}

// pointer is RFC 6901; a key that nobody would write is cut.
func pointer(keys []string) string {
	var b strings.Builder
	for _, key := range keys {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(cut(key)))
	}
	return b.String()
}

// cut shortens a name that came with the request, at a rune's border.
func cut(name string) string {
	const most = 64
	if len(name) <= most {
		return name
	}
	return strings.ToValidUTF8(name[:most], "") + "…"
}
