// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Dialer keeps a provider attached to its cores: to every one that it can reach, each by a session of its own. What is
// served is the same for all of them; a core that is away disturbs no other.
type Dialer struct {
	Addresses []string        // HOST:PORT, one for each core; a second address of the same core stands by
	Identity  func() Identity // asked for each connection, so that a renewed certificate is used
	Hello     Hello
	Clock     *Clock
	Register  func(grpc.ServiceRegistrar) // adds the provider's services to the server of a connection
	Options   []grpc.ServerOption
	Linger    time.Duration // how long calls that run when Run's context ends may take to be answered
	Log       *slog.Logger
}

// Run attaches, serves, and attaches again when a connection is lost or refused, until ctx ends. It never gives up:
// what refuses a provider is mended on the other side.
func (d *Dialer) Run(ctx context.Context) {
	var cores sync.WaitGroup
	for _, address := range slices.Compact(slices.Sorted(slices.Values(d.Addresses))) {
		cores.Go(func() { d.keepAttached(ctx, address) })
	}
	cores.Wait()
}

func (d *Dialer) keepAttached(ctx context.Context, address string) {
	var said quiet
	keep(ctx, Backoff{}, func() (bool, error) {
		welcome, err := d.session(ctx, address)
		if welcome {
			said = quiet{} // that it is lost is news
		}
		return welcome, err
	}, func(err error) {
		if said.fresh(err) {
			d.tell(address, err)
		}
	})
}

// keep connects again and again until ctx ends. connect returns when the connection is over, or there was none: welcome
// says which. A core that lets a provider in is tried again at once, one that does not with backoff.
func keep(ctx context.Context, pause Backoff, connect func() (welcome bool, err error), lost func(error)) {
	for ctx.Err() == nil {
		began := time.Now()
		welcome, err := connect()
		if ctx.Err() != nil {
			return
		}
		lost(err)
		if welcome {
			began = time.Now()
			pause.Reset()
		}
		if !pause.WaitFrom(ctx, began) {
			return
		}
	}
}

// session is one life of the two connections to a core. It returns why the first one ended.
func (d *Dialer) session(ctx context.Context, address string) (welcome bool, err error) {
	conn, answer, err := d.dial(ctx, address, ProtocolProvider)
	d.Clock.Raise(answer.CoreTime) // also if it refuses: a machine without a clock learns that its certificate expired
	if err != nil {
		return false, err
	}
	d.Log.Info("attached", "core", address, "provider", d.Hello.Provider, "version", answer.Version)
	if d.Hello.Debug {
		d.tellDebug(address, answer)
	}
	ctx, cancel := context.WithCancel(ctx)
	var data sync.WaitGroup
	defer data.Wait()
	defer cancel()
	asked := newDataService()
	data.Go(func() {
		if answer.DataOnDemand {
			d.openData(ctx, address, asked)
		} else {
			d.keepData(ctx, address)
		}
	})
	return true, d.serve(ctx, conn, answer, asked)
}

// tellDebug logs what became of the wish to suspend deadlines.
func (d *Dialer) tellDebug(address string, answer Welcome) {
	if Debugged(d.Hello, answer) {
		d.Log.Info("deadlines are suspended for a debugger", "core", address)
		return
	}
	d.Log.Warn("this core keeps its deadlines: only rhyzome server --dev and rhyzome-conformance run --debug suspend them", "core", address)
}

func (d *Dialer) dial(ctx context.Context, address, protocol string) (net.Conn, Welcome, error) {
	hello := d.Hello
	hello.Core, hello.DataOnDemand = address, true
	return dial(ctx, address, d.tls(protocol), hello)
}

func (d *Dialer) tls(protocol string) *tls.Config {
	return d.Identity().TLS(protocol, d.Clock.Now)
}

// tell logs why the provider is not attached.
func (d *Dialer) tell(address string, err error) {
	log := d.Log.With("core", address, "provider", d.Hello.Provider, "reason", fault.ReasonOf(err), "error", err)
	switch fault.ReasonOf(err) {
	case fault.CoreAway:
		log.Warn("not attached; trying again")
	case fault.AttachedAlready:
		log.Info("this address stands by")
	default:
		log.Error("the core refused this provider; trying again")
	}
}

// quiet keeps what fails in the same way again and again from filling the log.
type quiet struct {
	reason fault.Reason
	at     time.Time
}

// fresh reports whether the failure is new, or was not told for a minute.
func (q *quiet) fresh(err error) bool {
	now, reason := time.Now(), fault.ReasonOf(err)
	if q.reason == reason && now.Sub(q.at) < time.Minute {
		return false
	}
	*q = quiet{reason, now}
	return true
}
