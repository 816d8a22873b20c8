// SPDX-License-Identifier: Apache-2.0

// Package pluginhost holds the providers that are attached: those that dialled the attach port, and children of the
// core. A Session hides which of the two one is.
//
// After each attach a provider is described, configured with the fence floor, and watched; when its snapshot was
// reported to the observer it gets work. What it says is cut to size and cleaned before anybody else sees it, and is
// reported together with its id, so that nobody believes it about what is not its own.
package pluginhost

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/pki"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// Options of a Host.
type Options struct {
	Store     core.Store // for the fence floor
	Authority *pki.Authority
	Observer  core.Observer
	Now       core.Clock
	Log       *slog.Logger

	// Name is what this core is called; the lease of a provider that is attached names it.
	Name string
	// OnAttach is called when a provider is ready for work, to wake what waits for it. It must not block.
	OnAttach func(providerID string)
	// Heartbeat is how often a provider shows that it lives, while there are few; 0 for 2 s.
	Heartbeat time.Duration
	// TryWithin is how long a plugin that is tried may take to say what it is; 0 for 20 s.
	TryWithin time.Duration
	// Debug suspends deadlines for a provider that asks for it, because a debugger stops it. Not for production: it is not
	// noticed that such a provider is away.
	Debug bool
}

// Host implements core.Providers.
type Host struct {
	Options
	join    joinLimit
	listens chan struct{} // a provider has a new DialAddress

	beginning sync.Mutex
	begun     bool

	mu       sync.Mutex
	expected int                 // providers that may attach, as of the start
	sessions map[string]*Session // by provider id; at most one each
	children map[string]context.CancelCauseFunc
}

var _ core.Providers = (*Host)(nil)

// New returns a host without providers: Serve and KeepChild bring them. A provider that o.Authority revokes or replaces
// is disconnected at once.
func New(o Options) *Host {
	if o.OnAttach == nil {
		o.OnAttach = func(string) {}
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 2 * time.Second
	}
	if o.TryWithin == 0 {
		o.TryWithin = 20 * time.Second
	}
	h := &Host{
		Options: o, join: newJoinLimit(o.Now), listens: make(chan struct{}, 1), sessions: map[string]*Session{},
		children: map[string]context.CancelCauseFunc{},
	}
	o.Authority.OnDisconnect(h.disconnect)
	o.Authority.OnRotate(h.renewAll)
	return h
}

// Compute implements core.Providers.
func (h *Host) Compute(id string) (core.ComputeProvider, error) {
	s, err := h.offering(id, wire.ServiceCompute)
	if err != nil {
		return nil, err
	}
	return compute{s}, nil
}

// Network implements core.Providers.
func (h *Host) Network(id string) (core.NetworkProvider, error) {
	s, err := h.offering(id, wire.ServiceNetwork)
	if err != nil {
		return nil, err
	}
	return network{s}, nil
}

// offering returns the session of a provider that is ready for work and offers the service.
func (h *Host) offering(id, service string) (*Session, error) {
	h.mu.Lock()
	s := h.sessions[id]
	h.mu.Unlock()
	if s == nil || !s.ready.Load() {
		return nil, away(h.name(id))
	}
	return s, s.offers(service)
}

// name returns what people call a provider that is not here; its id if even that is unknown.
func (h *Host) name(id string) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	name := id
	err := h.Store.View(ctx, func(tx core.Tx) error {
		p, err := tx.Providers().Get(id)
		if err == nil {
			name = p.Name
		}
		return err
	})
	if err != nil && fault.ReasonOf(err) != fault.UnknownResource {
		h.Log.Warn("cannot look up a provider's name", "provider", id, "error", err)
	}
	return name
}

// away says that a provider is not attached.
func away(name string) *fault.Error {
	return fault.New(fault.ProviderAway, "provider %s is not attached; work goes on when it is back", name).With("provider", name)
}

// begin reports providers as detached that were attached when the last core died, before any can attach to this one, and
// removes what its children left.
func (h *Host) begin(ctx context.Context) error {
	h.beginning.Lock()
	defer h.beginning.Unlock()
	if h.begun {
		return nil
	}
	if err := sweepCells(); err != nil {
		h.Log.Warn("cannot remove what a core left that was killed", "error", err)
	}
	var rows []core.Provider
	err := h.Store.View(ctx, func(tx core.Tx) (err error) {
		rows, err = core.All(tx.Providers(), core.Query{}, func(p core.Provider) string { return p.ID })
		return err
	})
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.expected = len(rows)
	h.mu.Unlock()
	for _, p := range rows {
		switch p.Status.State {
		case core.ProviderReady, core.ProviderDegraded, core.ProviderDraining, core.ProviderDrained, core.ProviderCrashing:
			if err := h.Observer.Detached(ctx, p.ID, "not attached since the core started", true); err != nil {
				return err
			}
		}
	}
	h.begun = true
	return nil
}

var (
	errReplaced = errors.New("a newer connection took its place")
	errRevoked  = fault.New(fault.ProviderRevoked, "the provider was deleted")
	errExpired  = errors.New("its certificate expired")
	errStopping = Meant("the core stops")
	errRestart  = Meant("its process is started anew, as an operator asked")
)

// Meant is why a provider is detached while nothing is wrong with it.
type Meant string

// Error implements error.
func (m Meant) Error() string { return string(m) }

// run is the life of a session. A newer session of the same provider ends the older, and begins when that has been
// reported as detached, so that the observer sees one at a time. It returns why the session ended.
func (h *Host) run(ctx context.Context, s *Session) error {
	h.enter(s)
	defer h.leave(s)
	defer s.link.close()
	stop := context.AfterFunc(ctx, func() { s.end(stopped(ctx)) })
	defer stop()
	begun, why := s.live()
	if ctx.Err() != nil {
		why = stopped(ctx) // whatever came of that first
	}
	s.ready.Store(false)
	if !begun {
		defer s.rest(ctx)
	}
	s.log.Warn("provider detached", "error", why)
	report, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var meant Meant
	if err := h.Observer.Detached(report, s.provider.ID, why.Error(), errors.As(why, &meant)); err != nil {
		s.log.Error("cannot record that a provider is detached", "error", err)
	}
	return why
}

// stopped says why ctx ended: who ended it may have said more than that the core stops.
func stopped(ctx context.Context) error {
	if why := context.Cause(ctx); !errors.Is(why, context.Canceled) {
		return why
	}
	return errStopping
}

func (h *Host) enter(s *Session) {
	for {
		h.mu.Lock()
		older := h.sessions[s.provider.ID]
		if older == nil {
			h.sessions[s.provider.ID] = s
		}
		h.mu.Unlock()
		if older == nil {
			return
		}
		older.end(errReplaced)
		<-older.gone
	}
}

func (h *Host) leave(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions, s.provider.ID)
	close(s.gone)
}

func (h *Host) session(id string) *Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sessions[id]
}

// disconnect ends the session of a provider that may not have it any more, and its process if it is a child.
func (h *Host) disconnect(id, why string) {
	h.redial()
	h.mu.Lock()
	stop := h.children[id]
	h.mu.Unlock()
	if stop != nil {
		stop(errRevoked)
	}
	if s := h.session(id); s != nil {
		s.end(errors.New(why))
	}
}

// heartbeat is how often each provider shows that it lives: about 50 beats a second in all, also when everybody has yet
// to come back after a start.
func (h *Host) heartbeat() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(h.Heartbeat, time.Duration(max(len(h.sessions), h.expected))*time.Second/50)
}
