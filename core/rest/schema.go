// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// documentURL is what the document is called while its schemas are compiled. Nothing is loaded from there.
const documentURL = "urn:rhyzome:openapi"

// schemas compiles the parts of the document that requests are checked against.
type schemas struct {
	document map[string]any
	compiler *jsonschema.Compiler
}

// compile prepares the document for checking. There it is stricter than it reads: a field that it does not describe is
// refused in a request, while clients have to put up with new ones in answers.
func compile(document []byte) (*schemas, error) {
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, err
	}
	seal(parsed)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(jsonschema.SchemeURLLoader{}) // no schema from anywhere else
	if err := c.AddResource(documentURL, parsed); err != nil {
		return nil, err
	}
	return &schemas{document: parsed.(map[string]any), compiler: c}, nil
}

// seal forbids what is not described, wherever properties are described and nothing is said of others.
func seal(v any) {
	switch v := v.(type) {
	case map[string]any:
		_, described := v["properties"].(map[string]any)
		if _, said := v["additionalProperties"]; described && !said {
			v["additionalProperties"] = false
		}
		for _, part := range v {
			seal(part)
		}
	case []any:
		for _, part := range v {
			seal(part)
		}
	}
}

// check compiles what the document says about one operation's request.
func (s *schemas) check(method, path string) (check, error) {
	verb := strings.ToLower(method)
	at := documentURL + "#/paths/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(path) + "/" + verb
	operation := object(s.document, "paths", path, verb)
	c := check{
		path: map[string]*jsonschema.Schema{}, query: map[string]*jsonschema.Schema{}, header: map[string]*jsonschema.Schema{},
	}
	parameters, _ := operation["parameters"].([]any)
	for i, p := range parameters {
		p := p.(map[string]any)
		schema, err := s.compiler.Compile(at + "/parameters/" + strconv.Itoa(i) + "/schema")
		if err != nil {
			return c, err
		}
		switch name := p["name"].(string); p["in"] {
		case "path":
			c.path[name] = schema
		case "query":
			c.query[name] = schema
		case "header":
			c.header[name] = schema
		}
	}
	body := object(operation, "requestBody")
	if body == nil {
		return c, nil
	}
	c.required, _ = body["required"].(bool)
	if object(body, "content", "application/json") == nil {
		c.stream = true
		return c, nil
	}
	var err error
	c.body, err = s.compiler.Compile(at + "/requestBody/content/application~1json/schema")
	return c, err
}

// object walks into nested objects; nil if there is none.
func object(v map[string]any, keys ...string) map[string]any {
	for _, key := range keys {
		v, _ = v[key].(map[string]any)
	}
	return v
}

// fill puts in the defaults of the fields that were left out.
func fill(schema *jsonschema.Schema, value any) {
	for schema.Ref != nil {
		schema = schema.Ref
	}
	object, ok := value.(map[string]any)
	if !ok {
		return
	}
	for name, property := range schema.Properties {
		if _, given := object[name]; !given && property.Default != nil {
			object[name] = *property.Default
		}
		if inner, given := object[name]; given {
			fill(property, inner)
		}
	}
}
