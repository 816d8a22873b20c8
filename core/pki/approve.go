// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// contestEvery is how often one provider's contest is an event: who has a used token could fill the feed with them.
const contestEvery = time.Minute

// askApproval notes a machine that redeemed a token and waits.
func (a *Authority) askApproval(tx core.Tx, p core.Provider, req EnrolRequest, key string, fresh bool) error {
	if !fresh {
		return nil
	}
	now := a.now()
	p.Status.Approval = &core.Approval{
		KeyFingerprint: key, MachineID: req.MachineID, Plugin: req.Plugin, Address: req.Address, AskedAt: now,
	}
	p.UpdatedAt = now
	if err := tx.Providers().Update(p); err != nil {
		return err
	}
	a.log.Warn("a provider waits for approval", "provider", p.Name, "key", key, "machine", req.MachineID, "address", req.Address)
	return a.emit(tx, "provider.approval_requested", p, "key "+key)
}

// ApproveProvider lets the machine in that waits, or says that the provider is the right one although it is contested:
// BadState if it is neither. A fingerprint that is not empty must be that of the key in question: InvalidField.
func (a *Authority) ApproveProvider(ctx context.Context, provider, fingerprint string) (p core.Provider, err error) {
	err = a.store.Update(ctx, func(tx core.Tx) error {
		if p, err = core.FindProvider(tx, provider); err != nil {
			return err
		}
		waiting := p.Status.Approval
		key := p.Status.KeyFingerprint
		switch {
		case waiting != nil:
			key = waiting.KeyFingerprint
		case p.Status.Contested == nil:
			return fault.New(fault.BadState, "no machine waits to become provider %s, and nobody contests it", p.Name)
		}
		if fingerprint != "" && fingerprint != key {
			return fault.Invalid("/key_fingerprint", "the key of %s is %s: do not approve it unless its machine shows the same", p.Name, key)
		}
		if waiting != nil {
			if err := approveToken(tx, p, key, a.now()); err != nil {
				return err
			}
		}
		p.Status.Approval, p.Status.Contested, p.UpdatedAt = nil, nil, a.now()
		if err := tx.Providers().Update(p); err != nil {
			return err
		}
		return a.emit(tx, "provider.approved", p, "key "+key)
	})
	if err == nil {
		a.log.Info("provider approved", "provider", p.Name)
	}
	return p, err
}

func approveToken(tx core.Tx, p core.Provider, key string, now time.Time) error {
	tokens, err := tx.JoinTokens().Find(core.Query{Parent: p.ID})
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if t.Key == key && t.ApprovedAt == nil {
			t.ApprovedAt = &now
			return tx.JoinTokens().Update(t)
		}
	}
	return fault.New(fault.BadState, "the join token of the machine that waits is gone: create a new one")
}

// Contest audits an attempt to be a provider that is somebody else, and marks the provider. A clone is shown at once, and
// stays whatever else is tried: it alone can take the provider's place.
func (a *Authority) Contest(ctx context.Context, providerID string, c core.Contest) error {
	return a.store.Update(ctx, func(tx core.Tx) error {
		p, err := tx.Providers().Get(providerID)
		if err != nil {
			return err
		}
		if c.Cloned && c.MachineID == p.Status.MachineID {
			return nil // an operator let it take the place while it was being refused
		}
		c.At = a.now()
		shown := &c
		if last := p.Status.Contested; last != nil {
			found := c.Cloned && !last.Cloned
			if !found && c.At.Sub(last.At) < contestEvery {
				return nil
			}
			if last.Cloned && !c.Cloned {
				shown, last.At = last, c.At
			}
		}
		a.log.Warn("a provider is contested", "provider", p.Name, "why", c.Message, "machine", c.MachineID, "address", c.Address)
		p.Status.Contested, p.UpdatedAt = shown, c.At
		if err := tx.Providers().Update(p); err != nil {
			return err
		}
		return a.emit(tx, "provider.contested", p, fmt.Sprintf("%s: machine %s, %s", c.Message, c.MachineID, c.Address))
	})
}

// ReplaceProvider lets the machine that has a copy of the provider's certificate, and was refused, take its place. The
// one that had it until now is disconnected and refused from now on. A machine that is not empty must be the id of the
// one that was refused last: InvalidField. BadState if there is no such machine.
func (a *Authority) ReplaceProvider(ctx context.Context, provider, machine string) (p core.Provider, err error) {
	err = a.store.Update(ctx, func(tx core.Tx) error {
		if p, err = core.FindProvider(tx, provider); err != nil {
			return err
		}
		c := p.Status.Contested
		if c == nil || !c.Cloned {
			return fault.New(fault.BadState,
				"no other machine has shown the certificate of %s; to move the provider to a machine, create a token for its name", p.Name)
		}
		if machine != "" && machine != c.MachineID {
			return fault.Invalid("/machine_id", "the machine that was refused last is %s", c.MachineID)
		}
		old := p.Status.MachineID
		p.Status.ReplacedMachines = slices.DeleteFunc(append(p.Status.ReplacedMachines, old), func(id string) bool {
			return id == c.MachineID || id == ""
		})
		p.Status.MachineID, p.Status.Contested, p.UpdatedAt = c.MachineID, nil, a.now()
		if err := tx.Providers().Update(p); err != nil {
			return err
		}
		return a.emit(tx, "provider.replaced", p, fmt.Sprintf("machine %s by machine %s", old, c.MachineID))
	})
	if err != nil {
		return p, err
	}
	a.log.Info("provider replaced", "provider", p.Name, "machine", p.Status.MachineID)
	a.disconnect(p.ID, "another machine took its place")
	return p, nil
}
