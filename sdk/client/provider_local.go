// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"encoding/json"
)

// ConfigPlan is what another configuration of a provider changes, or changed. Secrets are masked.
type ConfigPlan struct {
	Generation int64          `json:"generation"` // of the configuration that it begins with
	Changes    []ConfigChange `json:"changes"`
	Then       string         `json:"then"`    // what the core does to apply it
	Applied    bool           `json:"applied"` // it was done
}

// ConfigChange is one difference.
type ConfigChange struct {
	Path   string          `json:"path"`   // JSON pointer into the configuration
	Change string          `json:"change"` // added, removed or changed
	Old    json.RawMessage `json:"old,omitempty"`
	New    json.RawMessage `json:"new,omitempty"`
}

// PlanConfig says what another configuration would change, and changes nothing. fault.InvalidField names everything that
// is wrong with it, below /config; fault.BadState if the core does not run the provider.
func (s *Providers) PlanConfig(ctx context.Context, provider string, config map[string]any) (ConfigPlan, error) {
	body := map[string]any{"config": config, "dry_run": true}
	return act[ConfigPlan](ctx, s.t, "configure", body, "providers", provider)
}

// Configure gives a provider that the core runs another configuration, in the place of the one that it has. If the
// provider refuses it, that one stays. With the generation of a plan nothing is done unless the plan still holds
// (fault.ETagMismatch); 0 for no plan.
func (s *Providers) Configure(ctx context.Context, provider string, config map[string]any, generation int64) (ConfigPlan, error) {
	body := map[string]any{"config": config, "generation": generation}
	return act[ConfigPlan](ctx, s.t, "configure", body, "providers", provider)
}
