// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// A child that ends soonest, manyLives times in a row, is in a crash loop: it is named, and started rarely.
const (
	soon       = 10 * time.Second
	manyLives  = 5
	crashPause = 30 * time.Second
)

// Child is a program that the core runs as a provider.
type Child struct {
	Path   string   // of the plugin
	SHA256 string   // hexadecimal; empty to start whatever is there
	UID    int      // user and group that it runs as where the core is root; 0 for the core's own
	Env    []string // besides PATH, HOME and TMPDIR

	// Config is asked whenever the child is to be configured; nil for none.
	Config func() (json.RawMessage, error)
	// Tell is told how the child does; nil for nobody. It must not block.
	Tell func(News)
}

// KeepChild runs a child, and starts it again whenever it ended, until ctx ends or the provider is revoked: then the
// error is ProviderRevoked. When it returns, the process is gone.
func (h *Host) KeepChild(ctx context.Context, p core.Provider, c Child) error {
	if _, err := c.checksum(); err != nil {
		return err
	}
	if err := h.begin(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if err := h.keep(p.ID, stop); err != nil {
		return err
	}
	defer h.forget(p.ID)
	if err := h.revoked(ctx, p.ID); err != nil { // before it could be told to stop
		return err
	}
	h.live(ctx, p, c)
	if err := context.Cause(ctx); errors.Is(err, errRevoked) {
		return err
	}
	return nil
}

// keep notes how a child is stopped when its provider is revoked.
func (h *Host) keep(id string, stop context.CancelCauseFunc) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.children[id] != nil {
		return fault.New(fault.Bug, "the provider %s runs already", id)
	}
	h.children[id] = stop
	return nil
}

func (h *Host) forget(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.children, id)
}

func (h *Host) revoked(ctx context.Context, id string) error {
	return h.Store.View(ctx, func(tx core.Tx) error { return core.NotRevoked(tx, id) })
}

// live is one life of a child after the other.
func (h *Host) live(ctx context.Context, p core.Provider, c Child) {
	var (
		pause attach.Backoff
		short int // lives in a row
	)
	for ctx.Err() == nil {
		if short < manyLives { // else it is shown as in a crash loop, until it serves
			h.shows(ctx, p, core.ProviderUnreachable, "its process was started: no handshake yet")
		}
		started := time.Now()
		words, err := h.runChild(ctx, p, c)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errRestart) {
			continue
		}
		h.Log.Error("a provider's process ended", "provider", p.Name, "path", c.Path, "error", err, "last", words)
		c.tell(News{Ended: fault.New(fault.ProviderAway, "its process ended: %s", lastly(words, err))})
		lived := time.Since(started)
		pause.Lived(lived)
		if short++; lived >= soon {
			short = 0
		}
		if short < manyLives {
			h.shows(ctx, p, core.ProviderUnreachable, "its process ended: "+lastly(words, err))
			pause.Wait(ctx)
			continue
		}
		h.shows(ctx, p, core.ProviderCrashing, fmt.Sprintf("its process ended %d times in a row soon after its start: %s", short, lastly(words, err)))
		select {
		case <-time.After(crashPause):
		case <-ctx.Done():
		}
	}
}

// shows records how a child is that is not attached.
func (h *Host) shows(ctx context.Context, p core.Provider, state core.ProviderState, message string) {
	if err := h.Observer.Seen(ctx, p.ID, state, clean(message, maxText)); err != nil && ctx.Err() == nil {
		h.Log.Error("cannot record how a provider's process is", "provider", p.Name, "state", state, "error", err)
	}
}

// runChild is one life of a child. It returns what the child wrote last, and why it ended.
func (h *Host) runChild(ctx context.Context, p core.Provider, c Child) (words string, err error) {
	last := &tail{}
	defer func() { words = last.words() }()
	home, err := newCell(c.UID)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, home.close()) }()
	client, err := c.start(ctx, home, last, h.Debug)
	if err != nil {
		return "", err
	}
	alive, lost := context.WithCancel(context.Background())
	s := h.newSession(p, link{
		client: client.contract, alive: alive, address: "child", way: core.WayChild, digest: c.SHA256, debug: h.Debug,
		data: func(context.Context) (*wire.Client, error) { return client.contract, nil },
		tell: c.tell,
		close: sync.OnceFunc(func() {
			lost()
			client.end()
		}),
	})
	if c.Config != nil {
		s.config = c.Config
	}
	return "", h.run(ctx, s)
}

func (c Child) tell(n News) {
	if c.Tell != nil {
		c.Tell(n)
	}
}

// News of a child; one field is set.
type News struct {
	Ready   bool  // it is attached and configured, and gets work
	Refused error // it does not take its configuration
	Ended   error // its process ended, or did not begin to serve
}
