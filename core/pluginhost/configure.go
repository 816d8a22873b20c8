// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"context"
	"encoding/json"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// configureAgain is how long a provider is left alone that refused its configuration, or with which nothing could be begun.
const configureAgain = 5 * time.Second

// maxFaults is how many faults of a configuration are kept.
const maxFaults = 50

// settle configures a provider that has just attached, and tries again until it takes what it is given.
func (s *Session) settle() error {
	for {
		err := s.configure()
		if err == nil {
			s.drainAgain()
			return nil
		}
		if s.ctx.Err() != nil || fault.ReasonOf(err) == fault.ProviderAway {
			return err
		}
		s.log.Error("the provider refuses its configuration", "error", err)
		s.refuses(fault.Of(err))
		select {
		case <-time.After(configureAgain):
		case <-s.settled:
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		}
	}
}

// refuses tells that the provider does not take its configuration.
func (s *Session) refuses(err *fault.Error) {
	s.state, s.message = core.ProviderDegraded, clean("configuration: "+err.Message, maxText)
	faults := make([]core.ProblemField, 0, len(err.Fields))
	for _, f := range err.Fields[:min(len(err.Fields), maxFaults)] {
		faults = append(faults, core.ProblemField(f))
	}
	if err := s.host.Observer.Refused(s.ctx, s.provider.ID, s.message, faults); err != nil && s.ctx.Err() == nil {
		s.log.Error("cannot record that a provider refuses its configuration", "error", err)
	}
	s.told = time.Now()
	if s.link.tell != nil {
		s.link.tell(News{Refused: err})
	}
}

// configure tells the provider its settings and the lowest fence that it may accept.
func (s *Session) configure() error {
	s.settling.Lock()
	defer s.settling.Unlock()
	config, err := s.config()
	if err != nil {
		return err
	}
	return s.install(config)
}

// install is configure with a configuration; s.settling is held.
func (s *Session) install(config json.RawMessage) error {
	var floor uint64
	var generation int64
	err := s.host.Store.View(s.ctx, func(tx core.Tx) (err error) {
		if floor, err = tx.Fence(); err != nil {
			return err
		}
		p, err := tx.Providers().Get(s.provider.ID)
		generation = p.Generation
		return err
	})
	if err != nil {
		return err
	}
	warnings, err := s.link.client.Configure(s.ctx, generation, config, floor)
	for _, w := range warnings {
		s.log.Warn("configuration", "warning", clean(w, maxText))
	}
	return s.fault(err)
}

// Reconfigure gives a provider that is attached another configuration, and calls keep when it took that. If one of both
// fails, the provider is told the configuration from before again. ProviderAway if it is not attached, or was lost.
func (h *Host) Reconfigure(id string, config json.RawMessage, keep func() error) error {
	s := h.session(id)
	if s == nil || s.known.Load() == nil {
		return away(h.name(id))
	}
	s.settling.Lock()
	defer s.settling.Unlock()
	err := s.install(config)
	if err == nil {
		err = keep()
	}
	if err != nil {
		go s.reinstate()
		return err
	}
	select {
	case s.settled <- struct{}{}:
	default: // it is told already
	}
	return nil
}

// reinstate tells a provider its configuration again, after it refused another: it may have begun to use that.
func (s *Session) reinstate() {
	if err := s.configure(); err != nil && s.ctx.Err() == nil {
		s.log.Warn("the provider does not take its configuration from before again", "error", err)
	}
}

// Facts are what a plugin says of itself.
type Facts struct {
	Plugin, Version string
	Services        []string
	Schema          json.RawMessage // JSON Schema of its configuration
}

// Facts returns what an attached provider says of itself, also of one that refuses its configuration: ProviderAway if it
// is not attached.
func (h *Host) Facts(id string) (Facts, error) {
	if s := h.session(id); s != nil {
		if d := s.known.Load(); d != nil {
			return Facts{d.Name, d.Version, d.Services, d.ConfigSchema}, nil
		}
	}
	return Facts{}, away(h.name(id))
}

// Try starts a child that no provider is yet, asks it what it is, and ends it. Its last words are in the error.
func (h *Host) Try(ctx context.Context, c Child) (Facts, error) {
	ctx, cancel := context.WithTimeout(ctx, h.TryWithin)
	defer cancel()
	home, err := newCell(c.UID)
	if err != nil {
		return Facts{}, err
	}
	defer func() {
		if err := home.close(); err != nil {
			h.Log.Error("cannot remove what a trial left", "error", err)
		}
	}()
	last := &tail{}
	client, err := c.start(ctx, home, last, false)
	if err != nil {
		return Facts{}, fault.New(fault.ProviderAway, "its process does not serve: %s", lastly(last.words(), err))
	}
	defer client.end()
	raw, err := client.contract.Describe(ctx)
	if err != nil {
		return Facts{}, fault.New(fault.ProviderAway, "it does not say what it is: %s", lastly(last.words(), cleanFault(fault.Of(err))))
	}
	d, err := cleanDescription(raw)
	if err != nil {
		return Facts{}, err
	}
	return Facts{d.Name, d.Version, d.Services, d.ConfigSchema}, nil
}
