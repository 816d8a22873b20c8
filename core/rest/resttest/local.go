// SPDX-License-Identifier: Apache-2.0

package resttest

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Add implements rest.Locals.
func (c providers) Add(_ context.Context, name string, b core.NewBinary) (core.Provider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.providers.free("", name); err != nil {
		return core.Provider{}, err
	}
	if b.Binary == "/nowhere" {
		return core.Provider{}, fault.Invalid("/binary", "cannot be read on the core's machine")
	}
	p := core.Provider{
		Meta: c.meta(core.New{Name: name}), Local: &core.LocalProvider{Binary: b.Binary, SHA256: strings.ToLower(b.SHA256)},
		Status: core.ProviderStatus{State: core.ProviderUnreachable, Services: []string{}, Capabilities: []string{}},
	}
	c.providers.add("", p)
	return p, nil
}

// Upgrade does it at once, and rolls back what is called /doomed.
func (c providers) Upgrade(_ context.Context, provider string, b core.NewBinary) (core.Provider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.local(provider)
	if err != nil {
		return core.Provider{}, err
	}
	if b.Binary == "/nowhere" {
		return core.Provider{}, fault.Invalid("/binary", "cannot be read on the core's machine")
	}
	at := c.now()
	next := *p.Local
	next.Upgrade = &core.Upgrade{State: core.UpgradeDone, FromVersion: "1.0.0", ToVersion: "1.1.0", SHA256: strings.ToLower(b.SHA256), At: at, EndedAt: &at}
	if b.Binary == "/doomed" {
		next.Upgrade.State, next.Upgrade.Message = core.UpgradeRolledBack, "its process ended"
	} else {
		next.Binary, next.SHA256 = b.Binary, next.Upgrade.SHA256
	}
	p.Local = &next
	return *p, nil
}

// Show implements rest.Locals.
func (c providers) Show(p core.Provider) (core.Provider, error) { return p, nil }

// Configure takes members that are called plain or secret, and no others.
func (c providers) Configure(_ context.Context, provider string, req core.Configuration) (core.ConfigPlan, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	plan := core.ConfigPlan{Changes: []core.ConfigChange{}, Then: "give it to the provider"}
	p, err := c.local(provider)
	if err != nil {
		return plan, err
	}
	var config map[string]any
	if err := json.Unmarshal(req.Config, &config); err != nil {
		return plan, fault.Invalid("/config", "must be one JSON object")
	}
	var wrong []*fault.Error
	for key := range config {
		if key != "plain" && key != "secret" {
			wrong = append(wrong, fault.Invalid("/config/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(key), "is not a known setting"))
		}
	}
	if err := fault.Join(wrong...); err != nil {
		return plan, err
	}
	plan.Generation = p.Generation
	if _, set := config["plain"]; set {
		plan.Changes = append(plan.Changes, core.ConfigChange{Path: "/plain", Change: "changed", Old: p.Local.Config["plain"], New: config["plain"]})
	}
	if _, set := config["secret"]; set {
		plan.Changes = append(plan.Changes, core.ConfigChange{Path: "/secret", Change: "added", New: "(secret)"})
		config["secret"] = "(secret)"
	}
	if req.DryRun {
		return plan, nil
	}
	if req.Generation != 0 && req.Generation != p.Generation {
		return plan, fault.New(fault.ETagMismatch, "the configuration is of generation %d", p.Generation)
	}
	p.Local.Config, plan.Applied = config, true
	p.Generation++
	return plan, nil
}

// DrainProvider drains at once.
func (c providers) DrainProvider(_ context.Context, provider string, within time.Duration) (core.Provider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.providers.find("", provider)
	if err != nil {
		return core.Provider{}, err
	}
	p.Drain = &core.Drain{At: c.now(), TimeoutSeconds: int64(within.Seconds())}
	p.Status.State = core.ProviderDrained
	return *p, nil
}

// UndrainProvider implements rest.Draining.
func (c providers) UndrainProvider(_ context.Context, provider string) (core.Provider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.providers.find("", provider)
	if err != nil {
		return core.Provider{}, err
	}
	if p.Drain == nil {
		return core.Provider{}, fault.New(fault.BadState, "no operator drained provider %s", p.Name)
	}
	p.Drain = nil
	return *p, nil
}

// ReportProvider implements rest.Providers.
func (c providers) ReportProvider(_ context.Context, provider string, report core.ConformanceReport) (core.Provider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.providers.find("", provider)
	if err != nil {
		return core.Provider{}, err
	}
	if p.Status.Plugin != report.Plugin {
		return core.Provider{}, fault.Invalid("/plugin", "is %s, and %s is of the plugin %s", report.Plugin, p.Name, p.Status.Plugin)
	}
	p.Status.Report = &report
	return *p, nil
}

// local finds a provider that the core runs.
func (c providers) local(provider string) (*core.Provider, error) {
	p, err := c.providers.find("", provider)
	if err == nil && p.Local == nil {
		err = fault.New(fault.BadState, "the core does not run provider %s", p.Name)
	}
	return p, err
}
