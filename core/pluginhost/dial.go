// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"context"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// dialToldEvery is how often the log says that a provider which listens is not reached.
const dialToldEvery = time.Minute

// DialProvider makes the core connect to a provider that listens at address (HOST:PORT), also before it has joined;
// empty for one that dials the core. A connection that there is stays.
func (h *Host) DialProvider(ctx context.Context, provider, address string) (p core.Provider, err error) {
	if err := checkDialAddress(address); err != nil {
		return p, err
	}
	err = h.Store.Update(ctx, func(tx core.Tx) error {
		p, err = core.FindProvider(tx, provider)
		switch {
		case err != nil:
			return err
		case p.Status.State == core.ProviderRevoked:
			return fault.New(fault.BadState, "provider %s was deleted: create a new token first", p.Name)
		case p.DialAddress == address:
			return nil
		}
		p.DialAddress, p.UpdatedAt = address, h.Now()
		if err := tx.Providers().Update(p); err != nil {
			return err
		}
		return tx.Emit(core.Event{
			At: h.Now(), Type: "provider.updated", Resource: core.ResourceRef{Kind: "provider", ID: p.ID, Name: p.Name},
		})
	})
	if err == nil {
		h.redial()
	}
	return p, err
}

// redial says that providers listen, or do no longer.
func (h *Host) redial() {
	select {
	case h.listens <- struct{}{}:
	default: // it is told already
	}
}

func checkDialAddress(address string) error {
	if address == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return fault.Invalid("/address", "%q is not HOST:PORT", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fault.Invalid("/address", "%q is not a port from 1 to 65535", port)
	}
	return nil
}

// keepDialling connects to every provider that listens, until ctx ends.
func (p *port) keepDialling(ctx context.Context) {
	type way struct {
		address string
		leave   context.CancelFunc
	}
	var dialling sync.WaitGroup
	defer dialling.Wait()
	known := map[string]way{} // by provider id
	for {
		rows, err := p.listening(ctx)
		if err != nil && ctx.Err() == nil {
			p.Log.Error("cannot read which providers listen", "error", err)
		}
		for id, w := range known {
			if row, listens := rows[id]; err == nil && (!listens || row.DialAddress != w.address) {
				w.leave()
				delete(known, id)
			}
		}
		for id, row := range rows {
			if _, ok := known[id]; !ok {
				waiting, leave := context.WithCancel(ctx)
				known[id] = way{row.DialAddress, leave}
				dialling.Go(func() { p.dialOut(ctx, waiting, row) })
			}
		}
		select {
		case <-p.listens:
		case <-ctx.Done():
			for _, w := range known {
				w.leave()
			}
			return
		}
	}
}

// listening returns the providers that the core connects to, by id.
func (p *port) listening(ctx context.Context) (map[string]core.Provider, error) {
	found := map[string]core.Provider{}
	err := p.Store.View(ctx, func(tx core.Tx) error {
		rows, err := core.All(tx.Providers(), core.Query{}, func(p core.Provider) string { return p.ID })
		for _, row := range rows {
			if row.DialAddress != "" && row.Status.State != core.ProviderRevoked {
				found[row.ID] = row
			}
		}
		return err
	})
	return found, err
}

// dialOut keeps a connection to a provider open until waiting ends. When the provider uses it, it is served as if the
// provider had made it, until ctx ends, and the next one is opened.
func (p *port) dialOut(ctx, waiting context.Context, to core.Provider) {
	var serving sync.WaitGroup
	defer serving.Wait()
	var told time.Time
	out := attach.NewOutbound(waiting, to.DialAddress)
	out.Failed = func(err error) {
		if time.Since(told) >= dialToldEvery {
			told = time.Now()
			p.Log.Warn("cannot reach a provider that listens; trying again", "provider", to.Name, "address", to.DialAddress, "error", err)
		}
	}
	for {
		conn, err := out.Accept()
		if err != nil {
			return // waiting ended
		}
		serving.Go(func() { p.serve(ctx, &dialled{conn, to}) })
	}
}

// dialled is a connection that the core made.
type dialled struct {
	net.Conn
	provider core.Provider
}

// NetConn returns what is below.
func (d *dialled) NetConn() net.Conn { return d.Conn }
