// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/swaggest/jsonschema-go"
	"github.com/swaggest/openapi-go/openapi31"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// bearer is the name of the security scheme.
const bearer = "bearer"

const about = `Rhyzome turns machines that people already have into a cloud of their own.

A project, network, instance, … is named by id or name. What takes a while is accepted with 202 and an operation, whose
path is the Location; it says how far it has come, and can be canceled or abandoned. Failures are RFC 9457 problems with
a stable code. Requests with unknown fields or parameters are refused; clients must put up with new fields in answers.`

// tags are the chapters of the document, in their order.
var tags = [][2]string{
	{"projects", "The owners of resources: the boundary of visibility."},
	{"images", "Bootable content."},
	{"networks", "Isolated segments with their subnets, names and WireGuard endpoints."},
	{"peers", "Remote WireGuard endpoints that are admitted to a network."},
	{"instances", "Virtual machines and unikernels."},
	{"hosts", "Machines that run instances."},
	{"routers", "Machines that carry networks."},
	{"fabrics", "L2 domains that hosts and routers share."},
	{"providers", "Attached plugins, which own the machines."},
	{"ca", "The certificate authority that admits them."},
	{"operations", "Durable records of changes, and how far they have come."},
	{"events", "What changed, as it happens."},
}

func newReflector() (*openapi31.Reflector, error) {
	r := openapi31.NewReflector()
	r.DefaultOptions = append(r.DefaultOptions, jsonschema.InterceptDefName(schemaName),
		jsonschema.InterceptProp(alwaysThere), jsonschema.InterceptNullability(neverNull))
	info := &r.SpecEns().Info
	info.WithTitle("Rhyzome")
	info.WithVersion("v1")
	info.WithDescription(about)
	info.WithLicense(openapi31.License{Name: "Apache-2.0", Identifier: new("Apache-2.0")})
	r.Spec.WithServers(openapi31.Server{URL: "https://localhost:8443"})
	r.Spec.SetHTTPBearerTokenSecurity(bearer, "", "A token that begins with rzt_.")
	for _, tag := range tags {
		r.Spec.Tags = append(r.Spec.Tags, openapi31.Tag{Name: tag[0], Description: &tag[1]})
	}
	return r, errors.Join(addSchema(r, problem{}), addSchema(r, core.Event{}))
}

const schemasPath = "#/components/schemas/"

// addSchema describes a type that no route's input or output mentions.
func addSchema(r *openapi31.Reflector, v any) error {
	var failed error
	_, err := r.Reflect(v, jsonschema.RootRef, jsonschema.DefinitionsPrefix(schemasPath),
		jsonschema.CollectDefinitions(func(name string, schema jsonschema.Schema) {
			plain, err := schema.ToSchemaOrBool().ToSimpleMap()
			failed = errors.Join(failed, err)
			r.Spec.ComponentsEns().WithSchemasItem(name, plain)
		}))
	return errors.Join(err, failed)
}

var typeArgument = regexp.MustCompile(`^(\w+)\[.*\.(\w+)\]$`)

// schemaName calls a type as users know it: Network, NetworkList, NetworkAccepted.
func schemaName(t reflect.Type, _ string) string {
	name := t.Name()
	if t == reflect.TypeFor[core.Problem]() {
		return "OperationProblem" // Problem is what a failed request answers
	}
	if m := typeArgument.FindStringSubmatch(name); m != nil {
		name = m[2] + capital(m[1])
	}
	return capital(name)
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// alwaysThere makes a property required if Go always writes it, and asks for it.
func alwaysThere(p jsonschema.InterceptPropParams) error {
	name, options, _ := strings.Cut(p.Field.Tag.Get("json"), ",")
	if p.Processed && name == p.Name && options != "omitempty" && !slices.Contains(p.ParentSchema.Required, name) {
		p.ParentSchema.Required = append(p.ParentSchema.Required, name)
	}
	return nil
}

// neverNull keeps null out of what Go leaves out instead.
func neverNull(p jsonschema.InterceptNullabilityParams) {
	if p.OmitEmpty {
		p.Schema.RemoveType(jsonschema.Null)
	}
}

// outcomes says what the statuses of success mean.
var outcomes = map[int]string{
	http.StatusOK:        "As asked.",
	http.StatusCreated:   "Created.",
	http.StatusAccepted:  "Accepted; the operation says how far it has come.",
	http.StatusNoContent: "Gone.",
}

// document writes what the reflector collected, with what it cannot say: that bodies are required, and headers.
func document(r *openapi31.Reflector, routes []route) ([]byte, error) {
	raw, err := json.Marshal(r.Spec)
	if err != nil {
		return nil, err
	}
	var d map[string]any
	j := json.NewDecoder(bytes.NewReader(raw))
	j.UseNumber()
	if err := j.Decode(&d); err != nil {
		return nil, err
	}
	for _, r := range routes {
		r.complete(object(d, "paths", r.path, strings.ToLower(r.method)))
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// complete adds to an operation's document.
func (r route) complete(operation map[string]any) {
	if body := object(operation, "requestBody"); body != nil {
		body["required"] = !r.optionalBody
	}
	responses := object(operation, "responses")
	success := object(responses, strconv.Itoa(r.status))
	success["description"] = outcomes[r.status]
	r.addProblems(responses)
	headers := map[string]any{}
	switch r.status {
	case http.StatusCreated:
		headers["Location"] = header("Path of the resource.")
	case http.StatusAccepted:
		headers["Location"] = header("Path of the operation.")
	}
	if r.tagged {
		headers["ETag"] = header("Generation of spec and labels. The status changes without it.")
	}
	if r.tagged && r.method == http.MethodGet {
		parameters, _ := operation["parameters"].([]any)
		operation["parameters"] = append(parameters, ifNoneMatch)
		responses["304"] = map[string]any{"description": "Spec and labels are as If-None-Match says.", "headers": headers}
	}
	if len(headers) > 0 {
		success["headers"] = headers
	}
}

// addProblems adds every failure that the route may answer, with its codes.
func (r route) addProblems(responses map[string]any) {
	codes := map[int][]string{}
	for _, reason := range append(r.common(), r.faults...) {
		status := statusOf(&fault.Error{Code: reason.Code(), Reason: reason})
		codes[status] = append(codes[status], string(reason))
	}
	schema := map[string]any{"$ref": schemasPath + "Problem"}
	for status, codes := range codes {
		responses[strconv.Itoa(status)] = map[string]any{
			"description": http.StatusText(status) + ": " + strings.Join(codes, ", ") + ".",
			"content":     map[string]any{problemType: map[string]any{"schema": schema}},
		}
	}
}

var ifNoneMatch = map[string]any{
	"name": "If-None-Match", "in": "header", "schema": map[string]any{"type": "string"},
	"description": "An ETag: if it still holds, the answer is 304.",
}

func header(description string) map[string]any {
	return map[string]any{"description": description, "required": true, "schema": map[string]any{"type": "string"}}
}
