// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/pluginhost"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/schema"
)

// configElsewhere is what to do for a provider that another machine configures.
const configElsewhere = "its configuration is on its own machine. Edit /etc/rhyzome/provider.yaml there, try it with " +
	"`%[1]s check`, and restart the service %[1]s"

// Configure gives a local provider another configuration, in place of the one that it has: it is held against the schema
// that the provider serves, given to the provider, and kept if that takes it. The one from before stays if it does not:
// InvalidField names everything that is wrong, below /config; ProviderAway, if the provider is lost over it. BadState for a
// provider that the core does not run; ETagMismatch if the configuration is not of req.Generation any more.
func (l *Providers) Configure(ctx context.Context, provider string, req core.Configuration) (core.ConfigPlan, error) {
	p, end, err := l.change(ctx, provider, "configured", configElsewhere)
	if err != nil {
		return core.ConfigPlan{}, err
	}
	defer end()
	facts, attached, err := l.facts(ctx, p)
	if err != nil {
		return core.ConfigPlan{}, err
	}
	plan, err := l.plan(p, facts, req.Config)
	switch {
	case err != nil:
		return plan, err
	case attached:
		plan.Then = "give it to the provider, and keep it if the provider takes it; else the one from now stays"
	default:
		plan.Then = "keep it, and give it to the provider when that is attached: it is not now"
	}
	if req.DryRun {
		return plan, nil
	}
	if req.Generation != 0 && req.Generation != p.Generation {
		return plan, fault.New(fault.ETagMismatch, "the configuration of %s is of generation %d by now, not %d: make a plan anew",
			p.Name, p.Generation, req.Generation)
	}
	if err := l.apply(ctx, p, req.Config, attached); err != nil {
		return plan, err
	}
	plan.Applied = true
	l.Log.Info("provider configured", "provider", p.Name, "changes", len(plan.Changes))
	return plan, nil
}

// facts returns what a provider says of itself; one that is not attached is started once more to ask it.
func (l *Providers) facts(ctx context.Context, p core.Provider) (facts pluginhost.Facts, attached bool, err error) {
	facts, err = l.Keeper.Facts(p.ID)
	if fault.ReasonOf(err) != fault.ProviderAway {
		return facts, err == nil, err
	}
	facts, err = l.Keeper.Try(ctx, l.child(p))
	return facts, false, err
}

// plan checks a configuration, and says what it changes.
func (l *Providers) plan(p core.Provider, facts pluginhost.Facts, config json.RawMessage) (core.ConfigPlan, error) {
	plan := core.ConfigPlan{Generation: p.Generation, Changes: []core.ConfigChange{}}
	s, err := schema.Compile(facts.Schema)
	if err != nil {
		return plan, err
	}
	if err := s.Check(config); err != nil {
		return plan, below("/config", err)
	}
	before, err := readConfig(l.home(p))
	if err != nil {
		return plan, err
	}
	was, err := parse(before)
	if err != nil {
		return plan, err
	}
	is, err := parse(config)
	if err != nil {
		return plan, fault.Invalid("/config", "must be one JSON object")
	}
	plan.Changes = append(plan.Changes, differences(s, was, is)...)
	return plan, nil
}

// apply gives a configuration to the provider and keeps it.
func (l *Providers) apply(ctx context.Context, p core.Provider, config json.RawMessage, attached bool) error {
	keep := func() error { return l.keep(context.WithoutCancel(ctx), p, config) }
	if attached {
		err := l.Keeper.Reconfigure(p.ID, config, keep)
		if fault.ReasonOf(err) == fault.ProviderAway {
			return fault.New(fault.ProviderAway, "provider %s was lost before it took the configuration, which is discarded: "+
				"the one from before stays; if this one stops the provider, change it, else give it again", p.Name).With("provider", p.Name)
		}
		return below("/config", err)
	}
	if err := keep(); err != nil {
		return err
	}
	err := l.Keeper.Reconfigure(p.ID, config, func() error { return nil }) // it may have come meanwhile
	if err != nil && fault.ReasonOf(err) != fault.ProviderAway {
		l.Log.Error("a provider refuses its new configuration", "provider", p.Name, "error", err)
	}
	return nil
}

// keep stores a configuration; its row has a new generation then.
func (l *Providers) keep(ctx context.Context, p core.Provider, config json.RawMessage) error {
	_, err := l.update(ctx, p, "provider.configured", "", func(row *core.Provider) { row.Generation++ })
	if err != nil {
		return err
	}
	return writeConfig(l.home(p), config)
}

// Show adds to a local provider the configuration that it has, without its secrets. All of it is one while nobody can say
// what is: the provider's schema does.
func (l *Providers) Show(p core.Provider) (core.Provider, error) {
	if p.Local == nil || p.Status.State == core.ProviderRevoked {
		return p, nil
	}
	text, err := readConfig(l.home(p))
	if err != nil {
		return p, err
	}
	config, err := parse(text)
	if err != nil {
		return p, err
	}
	s := &schema.Schema{}
	if facts, err := l.Keeper.Facts(p.ID); err == nil {
		if compiled, err := schema.Compile(facts.Schema); err == nil {
			s = compiled
		}
	}
	shown := *p.Local
	shown.Config, p.Local = s.Mask(config), &shown
	return p, nil
}

// parse reads a configuration, with numbers as they are written.
func parse(config json.RawMessage) (object map[string]any, err error) {
	d := json.NewDecoder(bytes.NewReader(config))
	d.UseNumber()
	err = d.Decode(&object)
	return object, err
}

// below makes the fields that a fault names, of a configuration, fields of the request.
func below(prefix string, err error) error {
	f := fault.Of(err)
	if f == nil || len(f.Fields) == 0 {
		return err
	}
	moved := make([]*fault.Error, 0, len(f.Fields))
	for _, v := range f.Fields {
		moved = append(moved, fault.Invalid(prefix+v.Field, "%s", v.Description))
	}
	return fault.Join(moved...)
}
