// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"context"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Draining is for the rest of a process's life: the contract has no way back. So what an operator wants is kept in the
// provider's row, each process is told when it attaches, and the way back is the next process.

// DrainProvider lets a provider finish its work within a time (0 for the provider's own limit), and take no other. It may
// be away: it is told when it attaches.
func (h *Host) DrainProvider(ctx context.Context, provider string, within time.Duration) (core.Provider, error) {
	p, err := h.setDrain(ctx, provider, &core.Drain{At: h.Now(), TimeoutSeconds: int64(within.Seconds())})
	if err != nil {
		return p, err
	}
	if s := h.session(p.ID); s != nil {
		err = s.drain(ctx, within)
	}
	return p, err
}

// UndrainProvider lets a provider take work again: BadState if no operator drained it. A child is started anew; a process
// elsewhere that drains already has to be started anew there.
func (h *Host) UndrainProvider(ctx context.Context, provider string) (core.Provider, error) {
	p, err := h.setDrain(ctx, provider, nil)
	if err != nil {
		return p, err
	}
	if s := h.session(p.ID); s != nil && s.link.way == core.WayChild {
		s.end(errRestart)
	}
	return p, nil
}

// setDrain keeps what an operator wants.
func (h *Host) setDrain(ctx context.Context, provider string, drain *core.Drain) (p core.Provider, err error) {
	err = h.Store.Update(ctx, func(tx core.Tx) error {
		if p, err = core.FindProvider(tx, provider); err != nil {
			return err
		}
		what := "provider.drain"
		switch {
		case p.Status.State == core.ProviderRevoked:
			return fault.New(fault.BadState, "provider %s was deleted", p.Name)
		case drain == nil && p.Drain == nil:
			return fault.New(fault.BadState, "no operator drained provider %s", p.Name)
		case drain == nil:
			what = "provider.undrain"
		}
		p.Drain, p.UpdatedAt = drain, h.Now()
		if err := tx.Providers().Update(p); err != nil {
			return err
		}
		return tx.Emit(core.Event{At: h.Now(), Type: what, Resource: core.ResourceRef{Kind: "provider", ID: p.ID, Name: p.Name}})
	})
	return p, err
}

func (s *Session) drain(ctx context.Context, within time.Duration) error {
	running, err := s.link.client.Drain(ctx, within)
	if err != nil {
		return s.fault(err)
	}
	s.log.Info("the provider drains", "running", running)
	return nil
}

// drainAgain tells a new process what an operator wants of its provider. One that cannot drain attaches even so: the
// scheduler gives it nothing.
func (s *Session) drainAgain() {
	var drain *core.Drain
	err := s.host.Store.View(s.ctx, func(tx core.Tx) error {
		p, err := tx.Providers().Get(s.provider.ID)
		drain = p.Drain
		return err
	})
	if err == nil && drain != nil {
		err = s.drain(s.ctx, time.Duration(drain.TimeoutSeconds)*time.Second)
	}
	if err != nil && s.ctx.Err() == nil {
		s.log.Error("the provider cannot be drained", "error", err)
	}
}
