// SPDX-License-Identifier: Apache-2.0

package core

import "encoding/json"

// ConfigPlan is what another configuration of a provider would change. Secrets, and what the provider's schema does not
// describe, are masked.
type ConfigPlan struct {
	Generation int64          `json:"generation" description:"Of the configuration that it begins with; to apply this plan and no other."`
	Changes    []ConfigChange `json:"changes" nullable:"false" description:"In the order of their paths."`
	Then       string         `json:"then" description:"What the core does to apply it."`
	Applied    bool           `json:"applied" description:"It was done."`
}

// ConfigChange is one difference.
type ConfigChange struct {
	Path   string `json:"path" description:"JSON pointer into the configuration."`
	Change string `json:"change" enum:"added,removed,changed"`
	Old    any    `json:"old,omitempty" description:"Before; masked if it is a secret."`
	New    any    `json:"new,omitempty" description:"After; masked if it is a secret."`
}

// Configuration asks for another configuration of a provider.
type Configuration struct {
	Config     json.RawMessage // a JSON object
	Generation int64           // of the plan that it is to follow; 0 for any
	DryRun     bool            // make the plan, change nothing
}
