// SPDX-License-Identifier: Apache-2.0

// Package inventory compares what providers report with what should be. It keeps the rows of hosts and routers, and the
// observed state of what is placed on them. A provider is believed only about what is its own; what it has beyond that
// is reported, and never touched.
package inventory

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// How old what is stored may be before the same observation is written again.
const (
	seenEvery     = 10 * time.Second
	observedEvery = time.Minute
)

// Inventory implements core.Observer.
type Inventory struct {
	store core.Store
	wake  func()
	now   core.Clock
	newID core.NewID
	log   *slog.Logger

	mu       sync.Mutex
	reported map[string]bool // orphans, by id, since the start
}

var _ core.Observer = (*Inventory)(nil)

// New returns an inventory. wake is called when a backend is well again, so that work that waits for it goes on:
// operation.Runner's Wake. Who attaches providers calls it too, when a provider takes work.
func New(store core.Store, wake func(), now core.Clock, newID core.NewID, log *slog.Logger) *Inventory {
	return &Inventory{store: store, wake: wake, now: now, newID: newID, log: log, reported: map[string]bool{}}
}

// Attached takes in what a provider is and has. ProviderRevoked if it was deleted, MachineConflict if another machine took
// its place.
func (v *Inventory) Attached(ctx context.Context, providerID string, info core.ProviderInfo, s core.Snapshot) error {
	var orphans map[string]bool
	err := v.store.Update(ctx, func(tx core.Tx) error {
		p, err := v.attach(tx, providerID, info)
		if err != nil {
			return err
		}
		orphans = map[string]bool{}
		w := &view{Inventory: v, tx: tx, provider: p, orphans: orphans}
		if err := w.places(s); err != nil {
			return err
		}
		return w.objects(s)
	})
	if err != nil {
		return err
	}
	v.remember(orphans)
	return nil
}

func (v *Inventory) attach(tx core.Tx, id string, info core.ProviderInfo) (core.Provider, error) {
	p, err := tx.Providers().Get(id)
	if err != nil {
		return p, err
	}
	if p.Status.State == core.ProviderRevoked {
		return p, fault.New(fault.ProviderRevoked, "provider %s was deleted", p.Name)
	}
	if slices.Contains(p.Status.ReplacedMachines, info.MachineID) {
		return p, fault.New(fault.MachineConflict, "another machine took the place of this one as provider %s", p.Name)
	}
	at := v.now()
	st := &p.Status
	st.State, st.Message, st.AttachedAt, st.SeenAt, st.ConfigFaults = core.ProviderReady, "", &at, &at, nil
	st.Plugin, st.Version, st.MachineID, st.Address = info.Plugin, info.Version, info.MachineID, info.Address
	st.Way, st.Lease, st.Program = info.Way, &core.ProviderLease{Core: info.Core, Since: at}, nil
	if info.Digest != "" {
		st.Program = &core.ProviderProgram{SHA256: info.Digest, Measured: info.Way == core.WayChild}
	}
	st.Services, st.Capabilities = notNil(info.Services), notNil(info.Capabilities)
	p.UpdatedAt = at
	if err := tx.Providers().Update(p); err != nil {
		return p, err
	}
	return p, v.emit(tx, "provider.attached", providerRef(p), "", "")
}

// Observed takes in one change. What it says about objects that are not the provider's is ignored.
func (v *Inventory) Observed(ctx context.Context, providerID string, c core.Change) error {
	return v.store.Update(ctx, func(tx core.Tx) error {
		p, err := tx.Providers().Get(providerID)
		if err != nil {
			return err
		}
		return (&view{Inventory: v, tx: tx, provider: p}).change(c)
	})
}

// Seen keeps a provider's own condition. Heartbeats that bring no news are written only now and then.
func (v *Inventory) Seen(ctx context.Context, providerID string, state core.ProviderState, message string) error {
	return v.seen(ctx, providerID, state, message, nil)
}

// Refused keeps what a provider has against its configuration, until it attaches.
func (v *Inventory) Refused(ctx context.Context, providerID, message string, faults []core.ProblemField) error {
	return v.seen(ctx, providerID, core.ProviderDegraded, message, faults)
}

func (v *Inventory) seen(ctx context.Context, providerID string, state core.ProviderState, message string, faults []core.ProblemField) error {
	var news, ready bool
	look := func(tx core.Tx) (core.Provider, error) {
		p, err := tx.Providers().Get(providerID)
		st := p.Status
		changed := st.State != state || st.Message != message || !slices.Equal(st.ConfigFaults, faults)
		stale := st.SeenAt == nil || v.now().Sub(*st.SeenAt) >= seenEvery
		news = st.State != core.ProviderRevoked && (changed || stale)
		ready = changed && state == core.ProviderReady
		return p, err
	}
	err := v.store.View(ctx, func(tx core.Tx) error {
		_, err := look(tx)
		return err
	})
	if err != nil || !news {
		return err
	}
	err = v.store.Update(ctx, func(tx core.Tx) error {
		p, err := look(tx)
		if err != nil || !news {
			return err
		}
		at, before := v.now(), p.Status.State
		if bad := state == core.ProviderDegraded || state == core.ProviderCrashing; bad && p.Status.Message != message {
			p.Status.LastError = &core.LastError{At: at, Message: message}
		}
		p.Status.State, p.Status.Message, p.Status.ConfigFaults = state, message, faults
		if state != core.ProviderUnreachable {
			p.Status.SeenAt = &at
		}
		if err := tx.Providers().Update(p); err != nil || before == state {
			return err
		}
		return v.emit(tx, "provider."+string(state), providerRef(p), "", message)
	})
	if err == nil && ready {
		v.wake()
	}
	return err
}

// Detached marks a provider and all that is on it as out of sight: not healthy, not lost.
func (v *Inventory) Detached(ctx context.Context, providerID, why string, meant bool) error {
	return v.store.Update(ctx, func(tx core.Tx) error {
		p, err := tx.Providers().Get(providerID)
		if err != nil || p.Status.State == core.ProviderRevoked {
			return err
		}
		p.Status.State, p.Status.Message, p.Status.Lease = core.ProviderUnreachable, why, nil
		if !meant {
			p.Status.LastError = &core.LastError{At: v.now(), Message: why}
		}
		if err := tx.Providers().Update(p); err != nil {
			return err
		}
		if err := v.emit(tx, "provider.unreachable", providerRef(p), "", why); err != nil {
			return err
		}
		return (&view{Inventory: v, tx: tx, provider: p}).lose("provider " + p.Name + " is not attached")
	})
}

// view is what one provider says, in one transaction.
type view struct {
	*Inventory
	tx       core.Tx
	provider core.Provider
	orphans  map[string]bool // found in a snapshot; nil for a single change, which may be about what was just deleted
}

// whose says what a reported object is to the provider that reports it.
type whose int

const (
	nobodys whose = iota // no row stands for it, or one that was undone
	others
	mine
)

// change takes in one change.
func (w *view) change(c core.Change) error {
	switch {
	case c.Host != nil:
		return w.host(*c.Host)
	case c.Router != nil:
		return w.router(*c.Router)
	case c.Instance != nil:
		return w.instance(*c.Instance)
	case c.Network != nil:
		return w.network(*c.Network)
	case c.Peer != nil:
		return w.peer(*c.Peer)
	case c.Removed != nil:
		return w.removed(*c.Removed)
	}
	return nil // a port has no state of its own
}

func (w *view) removed(r core.Removed) error {
	const why = "it is gone from its backend"
	switch r.Kind {
	case provider.KindInstance:
		return w.instanceMissing(r.ID, why)
	case provider.KindNetwork:
		return w.networkMissing(r.ID, why)
	case provider.KindPeer:
		return w.peerMissing(r.ID, why)
	}
	return nil
}

func (v *Inventory) emit(tx core.Tx, what string, ref core.ResourceRef, project, message string) error {
	return tx.Emit(core.Event{At: v.now(), Type: what, Project: project, Resource: ref, Message: message})
}

func providerRef(p core.Provider) core.ResourceRef {
	return core.ResourceRef{Kind: "provider", ID: p.ID, Name: p.Name}
}

func notNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// known returns a row, and whether there is one.
func known[T any](t core.Table[T], id string) (T, bool, error) {
	row, err := t.Get(id)
	if fault.ReasonOf(err) == fault.UnknownResource {
		return row, false, nil
	}
	return row, err == nil, err
}
