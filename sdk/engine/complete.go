// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/schema"
)

// part is an interface that a provider may offer, and those without which it is of no use.
type part struct {
	is    reflect.Type
	needs []reflect.Type
}

var (
	instances = reflect.TypeFor[provider.Instances]()
	networks  = reflect.TypeFor[provider.Networks]()
	ports     = reflect.TypeFor[provider.Ports]()
)

var parts = []part{
	{instances, nil},
	{reflect.TypeFor[provider.Images](), []reflect.Type{instances}},
	{reflect.TypeFor[provider.Power](), []reflect.Type{instances}},
	{reflect.TypeFor[provider.Volumes](), []reflect.Type{instances}},
	{reflect.TypeFor[provider.Snapshots](), []reflect.Type{instances}},
	{reflect.TypeFor[provider.Resize](), []reflect.Type{instances}},
	{reflect.TypeFor[provider.Migrate](), []reflect.Type{instances}},
	{reflect.TypeFor[provider.Metrics](), []reflect.Type{instances}},
	{reflect.TypeFor[provider.Console](), []reflect.Type{instances}},
	{reflect.TypeFor[provider.Exec](), []reflect.Type{instances}},
	{networks, []reflect.Type{ports}},
	{ports, []reflect.Type{networks}},
	{reflect.TypeFor[provider.Peers](), []reflect.Type{networks, ports}},
	{reflect.TypeFor[provider.Forwards](), []reflect.Type{networks, ports}},
	{reflect.TypeFor[provider.Verifier](), nil},
	{reflect.TypeFor[provider.Planner](), nil},
	{reflect.TypeFor[provider.Watcher](), nil},
}

var pluginName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Check reports what is wrong with an author's value, all at once: what it describes itself as, a half of a service without
// the other, and methods that look like an interface's but are not, so that it would silently offer less. sdk/plugin
// calls it before anything is served.
func Check(p provider.Provider) error {
	wrong := checkDescription(p.Describe())
	has := reflect.TypeOf(p)
	for _, part := range parts {
		if !has.Implements(part.is) {
			wrong = append(wrong, nearly(has, part.is))
			continue
		}
		for _, other := range part.needs {
			if !has.Implements(other) {
				wrong = append(wrong, fmt.Errorf("it implements %s, which is of no use without %s", part.is, other))
			}
		}
	}
	if !has.Implements(instances) && !has.Implements(networks) {
		wrong = append(wrong, fmt.Errorf("it offers no service: implement %s, or %s and %s", instances, networks, ports))
	}
	return errors.Join(wrong...)
}

func checkDescription(d provider.Description) (wrong []error) {
	if !pluginName.MatchString(d.Name) {
		wrong = append(wrong, fmt.Errorf("it describes itself as %q: the name must be a DNS label like acme", d.Name))
	}
	if d.Version == "" {
		wrong = append(wrong, errors.New("it describes itself without a version"))
	}
	if len(d.ConfigSchema) == 0 {
		return append(wrong, errors.New("it describes itself without a configuration schema; one that allows nothing is "+
			`{"type": "object", "additionalProperties": false}`))
	}
	if _, err := schema.Compile(d.ConfigSchema); err != nil {
		wrong = append(wrong, err)
	}
	return wrong
}

// nearly reports an interface of which a type has some methods, but not all, or not with these signatures.
func nearly(has, is reflect.Type) error {
	var some bool
	var missing []string
	for want := range is.Methods() {
		got, ok := has.MethodByName(want.Name)
		switch {
		case !ok:
			missing = append(missing, want.Name+" is missing")
		case signature(got.Type, 1) != signature(want.Type, 0):
			some = true
			missing = append(missing, fmt.Sprintf("%s%s must be %s%s", want.Name, signature(got.Type, 1), want.Name, signature(want.Type, 0)))
		default:
			some = true
		}
	}
	if !some {
		return nil
	}
	return fmt.Errorf("it looks like %s, but is not: %s", is, strings.Join(missing, "; "))
}

// signature shows a function's parameters from the n-th on, and its results.
func signature(f reflect.Type, from int) string {
	var in, out []string
	for i := from; i < f.NumIn(); i++ {
		in = append(in, f.In(i).String())
	}
	for i := range f.NumOut() {
		out = append(out, f.Out(i).String())
	}
	return fmt.Sprintf("(%s) (%s)", strings.Join(in, ", "), strings.Join(out, ", "))
}
