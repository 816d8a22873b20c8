// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"gopkg.in/yaml.v3"

	"github.com/rhyzome/rhyzome/sdk/client"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func TestFilesAreUpToDate(t *testing.T) {
	files, err := render()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the code says; run: go generate ./openapi/...", name)
		}
	}
}

// TestEveryProblemHasItsPlace holds the page to the links that core/rest puts into problems: docs/errors.md#CODE.
func TestEveryProblemHasItsPlace(t *testing.T) {
	files, err := render()
	if err != nil {
		t.Fatal(err)
	}
	page := string(files["docs/errors.md"])
	for _, about := range fault.Reasons {
		heading := "\n## " + string(about.Reason) + "\n\n" + about.Meaning + "\n"
		if strings.Count(page, heading) != 1 {
			t.Errorf("%s has no section of its own", about.Reason)
		}
		if link := "](#" + string(about.Reason) + ")"; !strings.Contains(page, link) {
			t.Errorf("%s is not in the table", about.Reason)
		}
	}
}

func TestBothFilesSayTheSame(t *testing.T) {
	files, err := render()
	if err != nil {
		t.Fatal(err)
	}
	var fromJSON, fromYAML any
	if err := json.Unmarshal(files["openapi/openapi.json"], &fromJSON); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(files["openapi/openapi.yaml"], &fromYAML); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(fromYAML)
	if err != nil {
		t.Fatal(err)
	}
	var second any
	if err := json.Unmarshal(again, &second); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(fromJSON, second) {
		t.Error("openapi.yaml differs from openapi.json")
	}
}

func load(t *testing.T) *openapi3.T {
	t.Helper()
	files, err := render()
	if err != nil {
		t.Fatal(err)
	}
	d, err := openapi3.NewLoader().LoadFromData(files["openapi/openapi.json"])
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDocumentIsValid(t *testing.T) {
	if err := load(t).Validate(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// TestDocumentIsComplete holds every operation to what its readers need.
func TestDocumentIsComplete(t *testing.T) {
	d := load(t)
	ids := map[string]bool{}
	tags := map[string]bool{}
	for _, tag := range d.Tags {
		tags[tag.Name] = tag.Description != ""
	}
	for path, item := range d.Paths.Map() {
		for method, op := range item.Operations() {
			at := method + " " + path
			if op.OperationID == "" || ids[op.OperationID] {
				t.Errorf("%s: operationId %q is missing or not unique", at, op.OperationID)
			}
			ids[op.OperationID] = true
			if op.Summary == "" || len(op.Tags) != 1 || !tags[op.Tags[0]] {
				t.Errorf("%s: summary %q, tags %v", at, op.Summary, op.Tags)
			}
			if op.Security == nil || len(*op.Security) == 0 {
				t.Errorf("%s: no security", at)
			}
			checkBody(t, at, op)
			checkResponses(t, at, path, method, op)
			for _, p := range op.Parameters {
				if p.Value.Description == "" {
					t.Errorf("%s: parameter %s is not described", at, p.Value.Name)
				}
			}
		}
	}
}

func checkBody(t *testing.T, at string, op *openapi3.Operation) {
	t.Helper()
	optional := slices.Contains([]string{"rebootInstance", "approveProvider", "drainProvider", "replaceProvider", "rotateCA"}, op.OperationID)
	if op.RequestBody != nil && op.RequestBody.Value.Required == optional {
		t.Errorf("%s: requestBody.required is %v", at, op.RequestBody.Value.Required)
	}
}

func checkResponses(t *testing.T, at, path, method string, op *openapi3.Operation) {
	t.Helper()
	want := []string{"400", "401", "403", "413", "500", "503", "504"}
	if strings.Contains(path, "{") {
		want = append(want, "404")
	}
	if method != "GET" {
		want = append(want, "409")
	}
	all := op.Responses.Map()
	for _, status := range want {
		r := all[status]
		if r == nil || r.Value.Content["application/problem+json"] == nil || r.Value.Content["application/problem+json"].Schema.Ref != "#/components/schemas/Problem" {
			t.Errorf("%s: %s is not described as a problem", at, status)
		}
	}
	if r := all["202"]; r != nil && r.Value.Headers["Location"] == nil {
		t.Errorf("%s: 202 without Location", at)
	}
	if r := all["201"]; r != nil && r.Value.Headers["Location"] == nil {
		t.Errorf("%s: 201 without Location", at)
	}
}

// clientTypes pairs the schemas with the types of sdk/client, which must not import the core's. What the client keeps
// to itself is written as nil, with the reason.
var clientTypes = map[string]any{
	"Approval": client.Approval{}, "CA": client.CA{}, "CAProvider": client.CAProvider{}, "CARoot": client.CARoot{},
	"CARequest": client.CARequest{},
	"Contest":   client.Contest{}, "LastError": client.LastError{}, "LocalProvider": client.LocalProvider{}, "NewLocal": client.NewLocalProvider{}, "NewVersion": client.NewBinary{}, "Upgrade": client.Upgrade{}, "ProviderLease": client.ProviderLease{},
	"ProviderProgram": client.ProviderProgram{}, "ConformanceReport": client.ConformanceReport{}, "Reported": client.ConformanceReport{},
	"ProviderCertificate": client.ProviderCertificate{}, "ConfigPlan": client.ConfigPlan{}, "ConfigChange": client.ConfigChange{}, "Drain": client.Drain{},
	"Attachment": client.Attachment{}, "CloudInit": client.CloudInit{}, "Endpoint": client.Endpoint{},
	"Event":  client.Event{},
	"Fabric": client.Fabric{}, "FabricSpec": client.FabricSpec{}, "FreshToken": client.JoinToken{}, "Host": client.Host{},
	"Image": client.Image{}, "ImageSpec": client.ImageSpec{}, "ImageStatus": client.ImageStatus{}, "Instance": client.Instance{},
	"InstanceSpec": client.InstanceSpec{}, "InstanceStatus": client.InstanceStatus{}, "Network": client.Network{},
	"NetworkSpec": client.NetworkSpec{}, "NetworkStatus": client.NetworkStatus{}, "NewFabric": client.NewFabric{},
	"NewImage": client.NewImage{}, "NewInstance": client.NewInstance{}, "NewNetwork": client.NewNetwork{}, "NewPeer": client.NewPeer{},
	"NewProject": client.NewProject{}, "NewToken": client.NewToken{}, "Operation": client.Operation{},
	"OperationProblem": client.OperationProblem{}, "OperationStep": client.OperationStep{}, "Peer": client.Peer{},
	"PeerSpec": client.PeerSpec{}, "PeerStatus": client.PeerStatus{}, "Port": client.Port{}, "Problem": client.Problem{},
	"Project": client.Project{}, "Provider": client.Provider{}, "ProviderStatus": client.ProviderStatus{},
	"ResourceRef": client.ResourceRef{}, "Router": client.Router{}, "Subnet": client.Subnet{}, "WireGuardStatus": client.WireGuardStatus{},

	"Approving": nil, "Configuring": nil, "DrainLimit": nil, "Replacement": nil, "Rotation": nil, "Installation": nil, "DialAddress": nil, // arguments of methods
	"Reboot": nil, "Started": nil, "Joining": nil, // envelopes that methods take apart
	"Settings":     nil, // a JSON object of the provider's author
	"ProblemField": nil, // fault.FieldViolation
}

// TestClientHasTheSameFields fails when a field is added to the API and not to its client, or the other way round.
func TestClientHasTheSameFields(t *testing.T) {
	d := load(t)
	for name, schema := range d.Components.Schemas {
		typ, known := clientTypes[name]
		switch {
		case strings.HasSuffix(name, "List"), strings.HasSuffix(name, "Accepted"):
			continue // envelopes that methods take apart
		case !known:
			t.Errorf("the schema %s has no type in sdk/client: add it to clientTypes", name)
			continue
		case typ == nil:
			continue
		}
		got := map[string]string{}
		fields(reflect.TypeOf(typ), got)
		for field, property := range schema.Value.Properties {
			kind, ok := got[field]
			if !ok {
				t.Errorf("%s.%s is not in sdk/client", name, field)
			} else if want := kindOf(property); kind != want {
				t.Errorf("%s.%s is %s in sdk/client, %s in the API", name, field, kind, want)
			}
			delete(got, field)
		}
		for field := range got {
			t.Errorf("%s.%s of sdk/client is not in the API", name, field)
		}
	}
	for name := range clientTypes {
		if d.Components.Schemas[name] == nil {
			t.Errorf("there is no schema %s any more", name)
		}
	}
}

// fields collects the JSON fields of a type with their kinds, those of embedded types included.
func fields(t reflect.Type, into map[string]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			fields(f.Type, into)
		case name != "-" && name != "":
			into[name] = jsonKind(f.Type)
		}
	}
}

func jsonKind(t reflect.Type) string {
	if t == reflect.TypeFor[json.RawMessage]() {
		return "" // anything
	}
	switch t.Kind() {
	case reflect.Pointer:
		return jsonKind(t.Elem())
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Slice:
		return "array"
	case reflect.Map:
		return "object"
	}
	if t.PkgPath() == "time" && t.Name() == "Time" {
		return "string"
	}
	return "object"
}

func kindOf(property *openapi3.SchemaRef) string {
	types := property.Value.Type.Slice()
	types = slices.DeleteFunc(slices.Clone(types), func(s string) bool { return s == "null" })
	return strings.Join(types, "|")
}
