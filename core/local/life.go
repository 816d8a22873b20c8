// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"os"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/pluginhost"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// life is a provider that is kept running.
type life struct {
	stop  context.CancelCauseFunc
	ended chan struct{} // closed when its process is gone for good
}

// start keeps a provider running as a child. l.mu is held. false before Run, and when the core stops: nothing is started.
func (l *Providers) start(p core.Provider, c pluginhost.Child) (life, bool) {
	if l.ctx == nil || l.ctx.Err() != nil {
		return life{}, false
	}
	ctx, stop := context.WithCancelCause(l.ctx)
	own := life{stop: stop, ended: make(chan struct{})}
	l.lives[p.ID] = own
	l.running.Go(func() {
		defer close(own.ended)
		defer stop(nil)
		err := l.Keeper.KeepChild(ctx, p, c)
		switch fault.ReasonOf(err) {
		case "":
		case fault.ProviderRevoked, fault.UnknownResource:
			if err := os.RemoveAll(l.home(p)); err != nil {
				l.Log.Error("cannot remove the binary of a deleted provider", "provider", p.Name, "error", err)
			}
		default:
			l.Log.Error("a local provider does not run", "provider", p.Name, "error", err)
		}
	})
	return own, true
}

// background runs f, which Run waits for; false if the core stops, or has not begun.
func (l *Providers) background(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx == nil || l.ctx.Err() != nil {
		return false
	}
	l.running.Go(f)
	return true
}

// exchange keeps a provider running as another child, when the one that there was is gone. why is what the provider shows
// meanwhile. false if the core stops.
func (l *Providers) exchange(p core.Provider, c pluginhost.Child, why error) (life, bool) {
	l.mu.Lock()
	old, runs := l.lives[p.ID]
	l.mu.Unlock()
	if runs {
		old.stop(why)
		<-old.ended
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start(p, c)
}
