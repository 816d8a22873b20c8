// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/sdk/engine"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// bare is a provider that offers nothing.
type bare struct{ description provider.Description }

func (b bare) Describe() provider.Description                 { return b.description }
func (bare) Configure(context.Context, json.RawMessage) error { return nil }
func (bare) Check(context.Context) error                      { return nil }

var described = bare{provider.Description{Name: "acme", Version: "1", ConfigSchema: json.RawMessage(`{"type":"object"}`)}}

// misspelt has a method of Power with a parameter too few.
type misspelt struct {
	bare
	provider.Instances
}

func (misspelt) RebootInstance(context.Context, string, string) (provider.Instance, error) {
	return provider.Instance{}, nil
}

func TestCheck(t *testing.T) {
	b := memory.NewBackend()
	for _, p := range []provider.Provider{memory.New(b), memory.NewCompute(b), memory.NewNetwork(b)} {
		if err := engine.Check(p); err != nil {
			t.Errorf("%T: %v", p, err)
		}
	}
	m := memory.New(b)
	for name, c := range map[string]struct {
		provider provider.Provider
		want     []string
	}{
		"nothing": {described, []string{"offers no service"}},
		"half a network": {struct {
			bare
			provider.Networks
		}{described, m}, []string{"provider.Networks, which is of no use without provider.Ports"}},
		"peers of no network": {struct {
			bare
			provider.Instances
			provider.Peers
		}{described, m, m}, []string{"provider.Peers, which is of no use without provider.Networks"}},
		"a wrong signature": {misspelt{described, m}, []string{
			"looks like provider.Power", "RebootInstance(context.Context, string, string) (provider.Instance, error) must be RebootInstance(context.Context, string, string, bool)"}},
		"no description": {struct {
			bare
			provider.Instances
		}{bare{}, m}, []string{`itself as ""`, "without a version", "without a configuration schema"}},
		"a bad schema": {struct {
			bare
			provider.Instances
		}{bare{provider.Description{Name: "acme", Version: "1", ConfigSchema: json.RawMessage(`{"type":"thing"}`)}}, m}, []string{"schema is not valid"}},
	} {
		err := engine.Check(c.provider)
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; it must say %q", name, err, want)
			}
		}
	}
}
