// SPDX-License-Identifier: Apache-2.0

package local

import (
	"cmp"
	"context"
	"fmt"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// change begins to change a local provider; end must be called. BadState with the way out if it is not one, ResourceBusy
// if another change is under way.
func (l *Providers) change(ctx context.Context, provider, what, elsewhere string) (p core.Provider, end func(), err error) {
	l.changing.Lock()
	defer l.changing.Unlock()
	err = l.Store.View(ctx, func(tx core.Tx) (err error) {
		p, err = core.FindProvider(tx, provider)
		return err
	})
	switch {
	case err != nil:
		return p, nil, err
	case p.Status.State == core.ProviderRevoked:
		return p, nil, fault.New(fault.BadState, "provider %s was deleted", p.Name)
	case p.Local == nil:
		return p, nil, fault.New(fault.BadState, "the core does not run provider %s: %s", p.Name, fmt.Sprintf(elsewhere, command(p)))
	}
	if other, busy := l.changes[p.ID]; busy {
		return p, nil, fault.New(fault.ResourceBusy, "provider %s is being %s; wait for the end of that", p.Name, other)
	}
	l.changes[p.ID] = what
	return p, func() {
		l.changing.Lock()
		defer l.changing.Unlock()
		delete(l.changes, p.ID)
	}, nil
}

// command is what the plugin of a provider is called on its machine.
func command(p core.Provider) string { return "rhyzome-" + cmp.Or(p.Status.Plugin, "PLUGIN") }

// update changes the row of a local provider, and emits an event; ProviderRevoked if it was deleted.
func (l *Providers) update(ctx context.Context, p core.Provider, event, message string, change func(*core.Provider)) (row core.Provider, err error) {
	err = l.Store.Update(ctx, func(tx core.Tx) error {
		if row, err = tx.Providers().Get(p.ID); err != nil {
			return err
		}
		if err := core.NotRevoked(tx, p.ID); err != nil {
			return err
		}
		change(&row)
		row.UpdatedAt = l.Now()
		if err := tx.Providers().Update(row); err != nil {
			return err
		}
		return tx.Emit(core.Event{
			At: l.Now(), Type: event, Resource: core.ResourceRef{Kind: "provider", ID: p.ID, Name: p.Name}, Message: message,
		})
	})
	return row, err
}
