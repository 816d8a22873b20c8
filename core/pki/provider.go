// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// ListProviders returns a page of providers.
func (a *Authority) ListProviders(ctx context.Context, page core.Page) (rows []core.Provider, next string, err error) {
	err = a.store.View(ctx, func(tx core.Tx) error {
		rows, next, err = core.List(tx.Providers(), core.Query{Page: page}, func(p core.Provider) string { return p.ID })
		if err != nil {
			return err
		}
		newest, err := newestVersions(tx)
		for i := range rows {
			err = errors.Join(err, complete(tx, &rows[i], newest))
		}
		return err
	})
	return rows, next, err
}

// GetProvider returns a provider by id or name.
func (a *Authority) GetProvider(ctx context.Context, provider string) (p core.Provider, err error) {
	err = a.store.View(ctx, func(tx core.Tx) error {
		if p, err = core.FindProvider(tx, provider); err != nil {
			return err
		}
		newest, err := newestVersions(tx)
		if err != nil {
			return err
		}
		return complete(tx, &p, newest)
	})
	return p, err
}

func newestVersions(tx core.Tx) (map[string]string, error) {
	all, err := core.All(tx.Providers(), core.Query{}, func(p core.Provider) string { return p.ID })
	return core.NewestVersions(all), err
}

// complete adds to a provider what its row does not hold: its hosts and routers, and the version that it is behind.
func complete(tx core.Tx, p *core.Provider, newest map[string]string) error {
	p.Status.Behind = core.BehindOf(*p, newest)
	hosts, routers, err := places(tx, *p)
	for _, h := range hosts {
		p.Status.Hosts = append(p.Status.Hosts, h.Name)
	}
	for _, r := range routers {
		p.Status.Routers = append(p.Status.Routers, r.Name)
	}
	return err
}

func places(tx core.Tx, p core.Provider) (hosts []core.Host, routers []core.Router, err error) {
	hosts, err = core.All(tx.Hosts(), core.Query{Parent: p.ID}, func(h core.Host) string { return h.ID })
	if err != nil {
		return nil, nil, err
	}
	routers, err = core.All(tx.Routers(), core.Query{Parent: p.ID}, func(r core.Router) string { return r.ID })
	return hosts, routers, err
}

// AddLocal makes the row of a provider that the core runs itself, with a user of its own that no other ever had.
// NameTaken by any provider that was not deleted.
func (a *Authority) AddLocal(ctx context.Context, id, name string, local core.LocalProvider) (p core.Provider, err error) {
	err = a.store.Update(ctx, func(tx core.Tx) error {
		rows, err := tx.Providers().Find(core.Query{Name: name})
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.Status.State != core.ProviderRevoked {
				return fault.New(fault.NameTaken, "there is a provider %s already; choose another name, or delete that one first", name)
			}
			if err := tx.Providers().Delete(r.ID); err != nil {
				return err
			}
		}
		if local.UID, err = nextUID(tx); err != nil {
			return err
		}
		p = core.Provider{
			Meta: core.New{Name: name}.Meta(id, a.now), Local: &local,
			Status: core.ProviderStatus{State: core.ProviderUnreachable, Message: "it was not started yet", Services: []string{}, Capabilities: []string{}},
		}
		if err := tx.Providers().Insert(p); err != nil {
			return err
		}
		return a.emit(tx, "provider.created", p, "")
	})
	return p, err
}

// The users of local providers: a range that neither distributions nor systemd nor user namespaces give out.
const (
	firstUID   = 0x7268_0000
	lastUID    = 0x7268_ffff
	settingUID = "local_uid"
)

// nextUID draws a user that was never given out: what a deleted provider left on the disk is nobody's.
func nextUID(tx core.Tx) (int, error) {
	text, err := tx.Setting(settingUID)
	if err != nil {
		return 0, err
	}
	uid := firstUID
	if text != "" {
		if uid, err = strconv.Atoi(text); err != nil {
			return 0, fmt.Errorf("the setting %s: %w", settingUID, err)
		}
		uid++
	}
	if uid > lastUID {
		return 0, fault.New(fault.Bug, "there were %d local providers: no user is left for another", lastUID-firstUID+1)
	}
	return uid, tx.SetSetting(settingUID, strconv.Itoa(uid))
}

// ReportProvider keeps what a run of the conformance suite found about a provider's program. The operator who gives it
// vouches for it.
func (a *Authority) ReportProvider(ctx context.Context, provider string, report core.ConformanceReport) (p core.Provider, err error) {
	err = a.store.Update(ctx, func(tx core.Tx) error {
		if p, err = core.FindProvider(tx, provider); err != nil {
			return err
		}
		switch {
		case p.Status.State == core.ProviderRevoked:
			return fault.New(fault.BadState, "provider %s was deleted", p.Name)
		case p.Status.Plugin != "" && p.Status.Plugin != report.Plugin:
			return fault.Invalid("/plugin", "is %s, and %s is of the plugin %s", report.Plugin, p.Name, p.Status.Plugin)
		}
		p.Status.Report, p.UpdatedAt = &report, a.now()
		if err := tx.Providers().Update(p); err != nil {
			return err
		}
		return a.emit(tx, "provider.reported", p, "")
	})
	return p, err
}

// RevokeProvider closes a provider's connection and refuses its certificates from now on; its hosts and routers go with
// it. HasChildren names what they carry.
func (a *Authority) RevokeProvider(ctx context.Context, provider string) error {
	var p core.Provider
	err := a.store.Update(ctx, func(tx core.Tx) (err error) {
		if p, err = core.FindProvider(tx, provider); err != nil || p.Status.State == core.ProviderRevoked {
			return err
		}
		if err := deletePlaces(tx, p); err != nil {
			return err
		}
		if err := deleteTokens(tx, p); err != nil {
			return err
		}
		p.Status.State, p.Status.Message, p.Status.Approval, p.UpdatedAt = core.ProviderRevoked, "", nil, a.now()
		if err := tx.Providers().Update(p); err != nil {
			return err
		}
		return a.emit(tx, "provider.revoked", p, "")
	})
	if err != nil {
		return err
	}
	a.log.Info("provider revoked", "provider", p.Name)
	a.disconnect(p.ID, "the provider was deleted")
	return nil
}

// deletePlaces removes the provider's hosts and routers, unless they carry something.
func deletePlaces(tx core.Tx, p core.Provider) error {
	hosts, routers, err := places(tx, p)
	if err != nil {
		return err
	}
	carried, err := carriedBy(tx, hosts, routers)
	if err != nil {
		return err
	}
	if err := core.HasChildren("provider "+p.Name, carried); err != nil {
		return err
	}
	for _, h := range hosts {
		if err := tx.Hosts().Delete(h.ID); err != nil {
			return err
		}
	}
	for _, r := range routers {
		if err := tx.Routers().Delete(r.ID); err != nil {
			return err
		}
	}
	return nil
}

func carriedBy(tx core.Tx, hosts []core.Host, routers []core.Router) ([]string, error) {
	var names []string
	for _, h := range hosts {
		rows, err := core.All(tx.Instances(), core.Query{Parent: h.ID}, func(i core.Instance) string { return i.ID })
		if err != nil {
			return nil, err
		}
		for _, i := range rows {
			names = append(names, "instance "+i.Name)
		}
	}
	for _, r := range routers {
		rows, err := core.All(tx.Networks(), core.Query{Parent: r.ID}, func(n core.Network) string { return n.ID })
		if err != nil {
			return nil, err
		}
		for _, n := range rows {
			names = append(names, "network "+n.Name)
		}
	}
	return names, nil
}

func (a *Authority) emit(tx core.Tx, what string, p core.Provider, message string) error {
	return tx.Emit(core.Event{
		At: a.now(), Type: what, Resource: core.ResourceRef{Kind: "provider", ID: p.ID, Name: p.Name}, Message: message,
	})
}
