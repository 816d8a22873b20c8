// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/swaggest/rest"
	"github.com/swaggest/rest/chirouter"
	"github.com/swaggest/rest/nethttp"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// decoder checks a request against the document, and then lets swaggest fill the input: what it decodes is valid.
type decoder struct {
	check *check
	next  nethttp.RequestDecoder
}

// Decode fills input from the request.
func (d *decoder) Decode(r *http.Request, input any, _ rest.Validator) error {
	if err := d.check.request(r); err != nil {
		return err
	}
	return d.next.Decode(r, input, nil)
}

// check holds the schemas of one route's request.
type check struct {
	path     map[string]*jsonschema.Schema
	query    map[string]*jsonschema.Schema
	header   map[string]*jsonschema.Schema
	body     *jsonschema.Schema
	required bool // the body
	stream   bool // the body is not JSON; the handler reads it
}

// request returns everything that is wrong with a request, at once. It replaces the body with the checked document,
// defaults filled in.
func (c *check) request(r *http.Request) error {
	if err := c.checkPath(r); err != nil {
		return err
	}
	faults := append(c.checkQuery(r), c.checkHeader(r)...)
	if !c.stream {
		wrong, err := c.checkBody(r)
		if err != nil {
			return err
		}
		faults = append(faults, wrong...)
	}
	return joined(faults)
}

// checkPath refuses what can be no id and no name: there is nothing by that name.
func (c *check) checkPath(r *http.Request) error {
	values, err := chirouter.PathToURLValues(r)
	if err != nil {
		return fault.New(fault.UnknownResource, "the path is not escaped as it should be")
	}
	for name, schema := range c.path {
		if schema.Validate(values.Get(name)) != nil {
			return fault.New(fault.UnknownResource, "what the path has in the place of {%s} is no id and no name", name)
		}
	}
	return nil
}

func (c *check) checkQuery(r *http.Request) (faults []*fault.Error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil { // r.URL.Query would leave out what it cannot read
		faults = append(faults, fault.Invalid("query", "is not escaped as it should be: pairs NAME=VALUE, joined by &"))
	}
	for name, values := range query {
		at := "query:" + cut(name)
		schema, known := c.query[name]
		switch {
		case !known:
			faults = append(faults, fault.Invalid(at, "is not a parameter here"))
		case len(values) > 1:
			faults = append(faults, fault.Invalid(at, "is given more than once"))
		default:
			faults = append(faults, parameter(at, schema, values[0])...)
		}
	}
	return faults
}

func (c *check) checkHeader(r *http.Request) (faults []*fault.Error) {
	for name, schema := range c.header {
		if value := r.Header.Get(name); value != "" {
			faults = append(faults, parameter("header:"+name, schema, value)...)
		}
	}
	return faults
}

// parameter checks one value of query or header, which is text whatever its schema says.
func parameter(at string, schema *jsonschema.Schema, value string) []*fault.Error {
	var v any = value
	if schema.Types != nil && !slices.Contains(schema.Types.ToStrings(), "string") {
		v = json.Number(value)
		if _, err := json.Number(value).Int64(); err != nil {
			return []*fault.Error{fault.Invalid(at, "must be a whole number")}
		}
	}
	return violations(at, schema.Validate(v))
}

// checkBody reads the one JSON document of the request. What is not one is an error of its own.
func (c *check) checkBody(r *http.Request) ([]*fault.Error, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, unreadable(err)
	}
	raw = bytes.TrimSpace(raw)
	if c.body == nil {
		return nil, refuseBody(raw)
	}
	if len(raw) == 0 && !c.required {
		raw = []byte("{}")
	} else if err := jsonOnly(r); err != nil {
		return nil, err
	}
	document, err := parse(raw)
	if err != nil {
		return nil, err
	}
	faults := append(unstorable("", stored(c.body, document)), violations("", c.body.Validate(document))...)
	if len(faults) > 0 {
		return faults, nil
	}
	fill(c.body, document)
	if raw, err = json.Marshal(document); err != nil {
		return nil, err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	r.Header.Set("Content-Type", "application/json")
	return nil, nil
}

// refuseBody keeps a field that somebody believes to matter from being ignored in silence.
func refuseBody(raw []byte) error {
	if len(raw) == 0 || string(raw) == "{}" {
		return nil
	}
	return fault.New(fault.MalformedBody, "this request takes no body")
}

func jsonOnly(r *http.Request) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return fault.New(fault.MalformedBody, "the body must be JSON, with Content-Type: application/json")
	}
	return nil
}

func parse(raw []byte) (map[string]any, error) {
	if !utf8.Valid(raw) {
		return nil, fault.New(fault.MalformedBody, "the body is not UTF-8")
	}
	j := json.NewDecoder(bytes.NewReader(raw))
	j.UseNumber()
	var value any
	if err := j.Decode(&value); err != nil {
		return nil, fault.New(fault.MalformedBody, "the body is not JSON: %s", syntax(err))
	}
	if _, err := j.Token(); !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.MalformedBody, "something follows the JSON document of the body")
	}
	document, ok := value.(map[string]any)
	if !ok {
		return nil, fault.New(fault.MalformedBody, "the body is not a JSON object")
	}
	if at, twice := repeated(raw); twice {
		return nil, fault.New(fault.MalformedBody, "the member %s is there twice", cut(at))
	}
	return document, nil
}

// repeated finds a member that its object has twice, as a JSON pointer: whoever checked the request on its way here may
// have read the other one (RFC 8259, 4). The text must be valid JSON.
func repeated(raw []byte) (at string, twice bool) {
	j := json.NewDecoder(bytes.NewReader(raw))
	var value func(at string) (string, bool)
	value = func(at string) (string, bool) {
		token, err := j.Token()
		opens, nested := token.(json.Delim)
		if err != nil || !nested {
			return "", false
		}
		seen := map[string]bool{}
		for i := 0; j.More(); i++ {
			member := strconv.Itoa(i)
			if opens == '{' {
				name, _ := j.Token()
				member, _ = name.(string)
				if seen[member] {
					return at + "/" + escapePointer(member), true
				}
				seen[member] = true
			}
			if found, twice := value(at + "/" + escapePointer(member)); twice {
				return found, true
			}
		}
		_, err = j.Token() // the end
		return "", err != nil
	}
	return value("")
}

// escapePointer is RFC 6901, 3.
func escapePointer(member string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(member)
}

// syntax tells where a document is broken, and nothing of what is in it.
func syntax(err error) string {
	var at *json.SyntaxError
	if errors.As(err, &at) {
		return "it goes wrong at byte " + strconv.FormatInt(at.Offset, 10)
	}
	return "it ends too early"
}
