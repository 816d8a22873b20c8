// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"encoding/json"
	"time"
)

// LocalProvider is the program of a provider that the core runs itself.
type LocalProvider struct {
	Binary  string   `json:"binary"`            // where it was copied from, on the core's machine
	SHA256  string   `json:"sha256"`            // hexadecimal, as the core measured it
	UID     int      `json:"uid"`               // user that it runs as; 0 where the core is not root
	Upgrade *Upgrade `json:"upgrade,omitempty"` // the last one

	// Config is its configuration, with "(secret)" in the place of secrets, and of what nobody can say; Get alone fills it in.
	Config map[string]json.RawMessage `json:"config,omitempty"`
}

// Upgrade of a provider that the core runs.
type Upgrade struct {
	State       UpgradeState `json:"state"`
	Message     string       `json:"message,omitempty"` // why it was rolled back
	FromVersion string       `json:"from_version,omitempty"`
	ToVersion   string       `json:"to_version"`
	SHA256      string       `json:"sha256"` // of the new program
	At          time.Time    `json:"at"`
	EndedAt     *time.Time   `json:"ended_at,omitempty"`
}

// UpgradeState says how far an upgrade is.
type UpgradeState string

// The states of an upgrade.
const (
	UpgradeRunning    UpgradeState = "running"
	UpgradeDone       UpgradeState = "done"
	UpgradeRolledBack UpgradeState = "rolled_back" // what ran before runs again
)

// NewBinary is a plugin that the core is to run.
type NewBinary struct {
	Binary    string         `json:"binary"`              // absolute path on the core's machine
	SHA256    string         `json:"sha256"`              // of the binary, hexadecimal
	Signature string         `json:"signature,omitempty"` // Ed25519, of the binary, in base64; where the core has keys for that
	Config    map[string]any `json:"config,omitempty"`    // the provider's own; left out of an upgrade, it keeps what it has
}

// NewLocalProvider is a provider that the core is to run.
type NewLocalProvider struct {
	Name string `json:"name"` // a DNS label
	NewBinary
}

// Add copies a plugin's binary on the core's machine, and runs it as a provider. fault.InvalidField when the binary
// cannot be read or its digest is another, fault.NameTaken.
func (s *Providers) Add(ctx context.Context, p NewLocalProvider) (Provider, error) {
	return create[Provider](ctx, s.t, p, "providers")
}

// Upgrade runs another version of a plugin as a provider that the core runs. It returns when that was tried; while the
// provider's Local.Upgrade is UpgradeRunning, Get tells how it goes on. fault.InvalidField says why it was not taken.
func (s *Providers) Upgrade(ctx context.Context, provider string, b NewBinary) (Provider, error) {
	return act[Provider](ctx, s.t, "upgrade", b, "providers", provider)
}

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
