// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/pluginhost"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/schema"
)

// upgradeElsewhere is what to do for a provider that another machine runs.
const upgradeElsewhere = "%s is upgraded by the packages of its own machine"

// What a provider shows while another program takes its place.
var (
	errUpgrading   = pluginhost.Meant("it is being upgraded")
	errRollingBack = pluginhost.Meant("its upgrade is rolled back")
)

// upgrade is one that is under way.
type upgrade struct {
	*Providers
	provider core.Provider // as it was
	next     core.NewBinary
	told     core.Upgrade
	pending  atomic.Pointer[json.RawMessage] // the configuration of the new version, until it is kept; nil for what is kept
	news     chan pluginhost.News
}

// Upgrade runs another program as a local provider: it is copied beside the one that runs, tried, and takes its place. If
// it does not come up, attached and configured, the one from before takes the place again. Upgrade answers when the program
// was tried; the row tells the outcome. InvalidField says why it was not taken, and nothing was changed then; BadState for a
// provider that the core does not run.
func (l *Providers) Upgrade(ctx context.Context, provider string, b core.NewBinary) (core.Provider, error) {
	p, end, err := l.change(ctx, provider, "upgraded", upgradeElsewhere)
	if err != nil {
		return p, err
	}
	b.SHA256 = strings.ToLower(b.SHA256)
	u := &upgrade{Providers: l, provider: p, next: b, news: make(chan pluginhost.News, 16)}
	if p, err = u.begin(ctx); err != nil {
		end()
	} else if !l.background(func() { defer end(); u.run() }) {
		end() // the next core tells that it was cut off
	}
	return p, err
}

// begin takes the program, tries it, and records that it is to take the place.
func (u *upgrade) begin(ctx context.Context) (core.Provider, error) {
	p, b := u.provider, u.next
	if err := fault.Join(u.checkBinary(b)...); err != nil {
		return p, err
	}
	if b.SHA256 == p.Local.SHA256 {
		return p, fault.Invalid("/sha256", "is that of the program that %s runs already", p.Name)
	}
	if b.Config != nil {
		u.pending.Store(&b.Config)
	}
	if err := u.copyBinary(b, u.home(p)); err != nil {
		return p, err
	}
	facts, err := u.Keeper.Try(ctx, u.child())
	if err != nil {
		err = fault.Invalid("/binary", "%s", fault.Of(err).Message)
	} else {
		err = u.fits(facts)
	}
	if err == nil {
		u.told = core.Upgrade{
			State: core.UpgradeRunning, FromVersion: p.Status.Version, ToVersion: facts.Version, SHA256: b.SHA256, At: u.Now(),
		}
		p, err = u.update(ctx, p, "provider.upgrading", "", func(row *core.Provider) { row.Local.Upgrade = &u.told })
	}
	if err != nil {
		u.removeBinary(b.SHA256)
	}
	return p, err
}

// fits reports whether a plugin can take the place of the one that runs.
func (u *upgrade) fits(facts pluginhost.Facts) error {
	now := u.provider.Status
	if now.Plugin != "" && facts.Plugin != now.Plugin {
		return fault.Invalid("/binary", "is the plugin %s, and %s runs the plugin %s", facts.Plugin, u.provider.Name, now.Plugin)
	}
	for _, service := range now.Services {
		if !slices.Contains(facts.Services, service) {
			return fault.Invalid("/binary", "does not serve %s, which %s does", service, u.provider.Name)
		}
	}
	s, err := schema.Compile(facts.Schema)
	if err != nil {
		return fault.Invalid("/binary", "%s", err.Error())
	}
	config, err := u.config()
	if err != nil {
		return err
	}
	err = below("/config", s.Check(config))
	if f := fault.Of(err); f != nil && u.next.Config == nil {
		return fault.Join(f, fault.Invalid("/config", "give the new version a configuration of its own: that of now does not fit it"))
	}
	return err
}

// child is the new program.
func (u *upgrade) child() pluginhost.Child {
	next, program := u.provider, *u.provider.Local
	program.SHA256 = u.next.SHA256
	next.Local = &program
	c := u.Providers.child(next)
	c.Config = u.config
	c.Tell = func(n pluginhost.News) {
		select {
		case u.news <- n:
		default: // nobody asks any more
		}
	}
	return c
}

// config is what the new program is configured with.
func (u *upgrade) config() (json.RawMessage, error) {
	if pending := u.pending.Load(); pending != nil {
		return *pending, nil
	}
	return readConfig(u.home(u.provider))
}

// run puts the new program in the place of the old one, and the old one back if the new one does not come up. When the core
// stops meanwhile, the next one goes on with the old one.
func (u *upgrade) run() {
	up, goes := u.exchange(u.provider, u.child(), errUpgrading)
	if !goes {
		return
	}
	why := u.comesUp(up)
	if why == nil {
		why = u.keepNew()
	}
	if why == nil {
		u.removeBinary(u.provider.Local.SHA256)
		u.Log.Info("provider upgraded", "provider", u.provider.Name, "version", u.told.ToVersion, "sha256", u.told.SHA256)
		return
	}
	if _, goes = u.exchange(u.provider, u.Providers.child(u.provider), errRollingBack); !goes {
		return
	}
	u.removeBinary(u.next.SHA256)
	u.Log.Error("a provider's upgrade was rolled back", "provider", u.provider.Name, "version", u.told.ToVersion, "error", why)
	_, err := u.update(context.Background(), u.provider, "provider.rolled_back", fault.Of(why).Message, func(row *core.Provider) {
		row.Local.Upgrade = u.ended(core.UpgradeRolledBack, fault.Of(why).Message)
	})
	if err != nil && fault.ReasonOf(err) != fault.ProviderRevoked {
		u.Log.Error("cannot record that an upgrade was rolled back", "provider", u.provider.Name, "error", err)
	}
}

// comesUp waits until the new program is attached and configured. A backend that is away is waited for.
func (u *upgrade) comesUp(up life) error {
	limit := time.NewTimer(u.UpWithin)
	defer limit.Stop()
	last := "it is not attached"
	for {
		select {
		case n := <-u.news:
			switch {
			case n.Ready:
				return nil
			case n.Ended != nil:
				return n.Ended
			case !fault.Temporary(n.Refused):
				return fault.New(fault.BadState, "it refuses its configuration: %s", n.Refused)
			}
			last = n.Refused.Error()
		case <-up.ended:
			return fault.New(fault.ProviderRevoked, "the provider was deleted")
		case <-limit.C:
			return fault.New(fault.Timeout, "it did not come up within %s: %s", u.UpWithin, last)
		}
	}
}

// keepNew makes the new program and its configuration those of the provider.
func (u *upgrade) keepNew() error {
	home := u.home(u.provider)
	if err := exchangeConfig(home, u.next.Config); err != nil {
		return errors.Join(err, restoreConfig(home))
	}
	_, err := u.update(context.Background(), u.provider, "provider.upgraded", u.told.ToVersion, func(row *core.Provider) {
		row.Local.Binary, row.Local.SHA256 = u.next.Binary, u.next.SHA256
		row.Local.Upgrade = u.ended(core.UpgradeDone, "")
		row.Generation++
	})
	if err != nil {
		return errors.Join(err, restoreConfig(home))
	}
	u.pending.Store(nil)
	if err := forgetConfig(home); err != nil { // the next start of the core removes it
		u.Log.Error("cannot remove a configuration from before an upgrade", "provider", u.provider.Name, "error", err)
	}
	return nil
}

func (u *upgrade) ended(state core.UpgradeState, message string) *core.Upgrade {
	told, at := u.told, u.Now()
	told.State, told.Message, told.EndedAt = state, message, &at
	return &told
}

func (u *upgrade) removeBinary(sum string) {
	if err := os.Remove(filepath.Join(u.home(u.provider), sum)); err != nil && !errors.Is(err, os.ErrNotExist) {
		u.Log.Error("cannot remove a binary", "provider", u.provider.Name, "sha256", sum, "error", err)
	}
}

// endUpgrades tells of upgrades that the end of a core cut off, takes their configurations back, and removes binaries that
// no provider runs.
func (l *Providers) endUpgrades(ctx context.Context, rows []core.Provider) error {
	for i, p := range rows {
		if u := p.Local.Upgrade; u != nil && u.State == core.UpgradeRunning {
			if err := restoreConfig(l.home(p)); err != nil {
				return err
			}
			cut := &upgrade{Providers: l, provider: p, told: *u}
			row, err := l.update(ctx, p, "provider.rolled_back", "", func(row *core.Provider) {
				row.Local.Upgrade = cut.ended(core.UpgradeRolledBack, "the core ended meanwhile")
			})
			if err != nil {
				return err
			}
			rows[i] = row
		}
		entries, err := os.ReadDir(l.home(p))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		for _, e := range entries {
			if e.Name() != configFile && e.Name() != p.Local.SHA256 {
				err = errors.Join(err, os.Remove(filepath.Join(l.home(p), e.Name())))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
