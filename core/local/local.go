// SPDX-License-Identifier: Apache-2.0

// Package local keeps the providers that the core runs itself: it copies their binaries below the state directory,
// starts them with the core, and removes what is theirs when they are deleted.
package local

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/pluginhost"
)

// Registrar makes the rows of local providers. core/pki implements it.
type Registrar interface {
	AddLocal(ctx context.Context, id, name string, local core.LocalProvider) (core.Provider, error)
}

// Keeper runs children. core/pluginhost implements it.
type Keeper interface {
	// KeepChild runs a child until ctx ends or its provider is deleted.
	KeepChild(ctx context.Context, p core.Provider, c pluginhost.Child) error
	// Facts returns what an attached provider says of itself; ProviderAway if it is not attached.
	Facts(provider string) (pluginhost.Facts, error)
	// Try starts a child only to ask it what it is.
	Try(ctx context.Context, c pluginhost.Child) (pluginhost.Facts, error)
	// Reconfigure gives an attached provider another configuration, and calls keep when it took that; ProviderAway if it is
	// not attached.
	Reconfigure(provider string, config json.RawMessage, keep func() error) error
}

// Options of Providers.
type Options struct {
	Dir       string // for the binaries; made if it does not exist
	Store     core.Store
	Registrar Registrar
	Keeper    Keeper
	Now       core.Clock
	NewID     core.NewID
	Log       *slog.Logger

	// Keys of those who may sign plugins; without any, no signature is asked for.
	Keys []ed25519.PublicKey
	// UpWithin is how long a new version may take to come up before it is rolled back; 0 for a minute.
	UpWithin time.Duration
}

// Providers are the local providers.
type Providers struct {
	Options
	running sync.WaitGroup

	mu    sync.Mutex      // held while one is added
	ctx   context.Context // of Run; nil before it and after it
	lives map[string]life // of the providers that are kept running, by their ids

	changing sync.Mutex
	changes  map[string]string // what is done to a provider now, by its id
}

// New returns the providers; Run starts them.
func New(o Options) *Providers {
	if o.UpWithin == 0 {
		o.UpWithin = time.Minute
	}
	return &Providers{Options: o, lives: map[string]life{}, changes: map[string]string{}}
}

// Run starts every local provider, and those that are added, until ctx ends. It returns when their processes are gone.
func (l *Providers) Run(ctx context.Context) error {
	defer l.running.Wait()
	if err := l.begin(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	<-ctx.Done()
	l.mu.Lock()
	defer l.mu.Unlock() // who holds it may be starting another
	l.ctx = nil
	return nil
}

// begin starts what there is. Nothing can be added meanwhile: it would be swept away, or not started.
func (l *Providers) begin(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	rows, err := l.rows(ctx)
	if err != nil {
		return err
	}
	if err := l.sweep(rows); err != nil {
		return err
	}
	if err := l.endUpgrades(ctx, rows); err != nil {
		return err
	}
	l.ctx = ctx
	for _, p := range rows {
		l.start(p, l.child(p))
	}
	return nil
}

// rows returns the local providers that were not deleted.
func (l *Providers) rows(ctx context.Context) (rows []core.Provider, err error) {
	err = l.Store.View(ctx, func(tx core.Tx) error {
		all, err := core.All(tx.Providers(), core.Query{}, func(p core.Provider) string { return p.ID })
		rows = nil
		for _, p := range all {
			if p.Local != nil && p.Status.State != core.ProviderRevoked {
				rows = append(rows, p)
			}
		}
		return err
	})
	return rows, err
}

// sweep removes the binaries of providers that were deleted, and of those whose adding was cut off.
func (l *Providers) sweep(rows []core.Provider) error {
	live := map[string]bool{}
	for _, p := range rows {
		live[p.ID] = true
	}
	entries, err := os.ReadDir(l.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if !live[e.Name()] {
			err = errors.Join(err, os.RemoveAll(filepath.Join(l.Dir, e.Name())))
		}
	}
	return err
}

// child is what a provider runs.
func (l *Providers) child(p core.Provider) pluginhost.Child {
	return pluginhost.Child{
		Path: filepath.Join(l.home(p), p.Local.SHA256), SHA256: p.Local.SHA256, UID: p.Local.UID,
		Config: func() (json.RawMessage, error) { return readConfig(l.home(p)) },
	}
}

// home is where a provider's binary and configuration lie.
func (l *Providers) home(p core.Provider) string { return filepath.Join(l.Dir, p.ID) }
