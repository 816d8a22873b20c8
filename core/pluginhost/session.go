// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// noConfig is the core's part of the configuration of a provider that has all of it itself.
func noConfig() (json.RawMessage, error) { return json.RawMessage("{}"), nil }

// link is how a provider is reached.
type link struct {
	client *wire.Client
	// data returns the client for bulk data, and waits until there is one.
	data    func(ctx context.Context) (*wire.Client, error)
	addData func(*attach.Session)           // of an attached provider
	renew   func(ctx context.Context) error // its certificate, now; nil where it has none
	check   func(ctx context.Context) error // that its certificate is in force; nil where it has none
	tell    func(News)                      // how it does; nil for nobody
	alive   context.Context                 // ends when the connection is lost
	close   func()
	address string
	way     core.Way

	digest               string // SHA-256 of the program; of one that attached, as it says itself
	debug                bool   // deadlines are suspended
	machineID, processID string
	dialled              string // the address of this core that the provider came by
}

// Session is one attached provider, however it came.
type Session struct {
	host      *Host
	provider  core.Provider
	link      link
	heartbeat time.Duration
	log       *slog.Logger

	settling sync.Mutex                      // held while the provider is configured
	config   func() (json.RawMessage, error) // on top of the provider's own
	settled  chan struct{}                   // it took another one while it refused this

	ctx     context.Context // ends with the session; its cause says why
	cancel  context.CancelCauseFunc
	gone    chan struct{} // closed when the host has forgotten the session
	expires atomic.Int64  // Unix seconds of the certificate's end; 0 for a child
	ready   atomic.Bool

	described wire.Description // written before ready
	known     atomic.Pointer[wire.Description]
	waiters   waiters

	// As last told to the observer; used by the session's goroutine alone.
	state   core.ProviderState
	message string
	told    time.Time
}

func (h *Host) newSession(p core.Provider, l link) *Session {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &Session{
		host: h, provider: p, link: l, config: noConfig, settled: make(chan struct{}, 1), heartbeat: h.heartbeat(),
		log: h.Log.With("provider", p.Name, "address", l.address),
		ctx: ctx, cancel: cancel, gone: make(chan struct{}), waiters: newWaiters(), state: core.ProviderReady,
	}
}

// suspended is long enough for anybody with a debugger.
const suspended = 24 * time.Hour

// patience is how long the provider may take for something.
func (s *Session) patience(usual time.Duration) time.Duration {
	if s.link.debug {
		return suspended
	}
	return usual
}

// end ends the session. Only the first reason counts.
func (s *Session) end(why error) { s.cancel(why) }

// live serves the provider until the session ends, and returns why it did. begun is false if what the provider answered
// kept it from getting work.
func (s *Session) live() (begun bool, why error) {
	stop := context.AfterFunc(s.link.alive, func() { s.end(errConnectionLost) })
	defer stop()
	err := s.attach()
	if err == nil {
		err = s.watch()
	}
	begun = s.ready.Load() || s.ctx.Err() != nil || fault.ReasonOf(err) == fault.ProviderAway
	s.end(err)
	return begun, context.Cause(s.ctx)
}

// rest keeps the connection of a provider with which nothing could be begun: it comes back at once when that is closed,
// and the same would happen again.
func (s *Session) rest(ctx context.Context) {
	select {
	case <-time.After(configureAgain):
	case <-s.link.alive.Done():
	case <-ctx.Done():
	}
}

var errConnectionLost = fault.New(fault.ProviderAway, "the connection was lost")

// attach asks who is there, and configures it. It checks the certificate once more, as disconnect finds sessions that have
// begun, and the operator may have cut this one off while its handshake lasted.
func (s *Session) attach() error {
	if s.link.check != nil {
		if err := s.link.check(s.ctx); err != nil {
			return err
		}
	}
	d, err := s.link.client.Describe(s.ctx)
	if err != nil {
		return err
	}
	if s.described, err = cleanDescription(d); err != nil {
		return err
	}
	if err := s.restrict(); err != nil {
		return err
	}
	s.known.Store(&s.described)
	return s.settle()
}

// admitted reports whether the provider's join token admits it for a service.
func (s *Session) admitted(service string) bool {
	admitted := s.provider.Status.AdmittedServices
	return len(admitted) == 0 || slices.Contains(admitted, service)
}

// restrict drops what the provider offers beyond what its join token admits it for. NoCapability if that is all.
func (s *Session) restrict() error {
	admitted, offered := s.provider.Status.AdmittedServices, s.described.Services
	s.described.Services = slices.DeleteFunc(slices.Clone(offered), func(service string) bool { return !s.admitted(service) })
	if len(offered) > 0 && len(s.described.Services) == 0 {
		return fault.New(fault.NoCapability, "the provider serves %s, and was admitted for %s: join again with a new token",
			strings.Join(offered, " and "), strings.Join(admitted, " and "))
	}
	if len(s.described.Services) < len(offered) {
		s.log.Warn("the provider offers more than it was admitted for", "offers", offered, "admitted", admitted)
	}
	return nil
}

// seen tells the observer how the provider is.
func (s *Session) seen(state core.ProviderState, message string) {
	s.state, s.message = state, clean(message, maxText)
	if err := s.host.Observer.Seen(s.ctx, s.provider.ID, s.state, s.message); err != nil && s.ctx.Err() == nil {
		s.log.Error("cannot record how a provider is", "error", err)
	}
	s.told = time.Now()
}

// info is what the observer is told of the provider.
func (s *Session) info() core.ProviderInfo {
	info := core.ProviderInfo{
		Plugin: s.described.Name, Version: s.described.Version, Services: s.described.Services,
		Capabilities: []string{}, MachineID: s.link.machineID, Way: s.link.way, Address: s.link.address,
		Digest: s.link.digest, Core: s.host.Name,
	}
	for _, c := range s.described.Capabilities {
		info.Capabilities = append(info.Capabilities, c.Name)
	}
	return info
}

// offers refuses what the provider does not advertise.
func (s *Session) offers(ability string) error {
	if s.described.Offers(ability) {
		return nil
	}
	return fault.New(fault.NoCapability, "provider %s does not offer %q", s.provider.Name, ability)
}

// fault finishes an error of a call: a lost connection names the provider, and what it says of itself is cleaned.
func (s *Session) fault(err error) error {
	switch {
	case err == nil:
		return nil
	case s.ended(), fault.ReasonOf(err) == fault.ProviderAway:
		return away(s.provider.Name)
	}
	return cleanFault(fault.Of(err))
}

func (s *Session) ended() bool {
	return s.link.alive.Err() != nil || s.ctx.Err() != nil
}

// renewed moves the end of the session with that of the certificate.
func (s *Session) renewed(notAfter time.Time) { s.expires.Store(notAfter.Unix()) }

func (s *Session) expired() bool {
	at := s.expires.Load()
	return at != 0 && s.host.Now().Unix() >= at
}
