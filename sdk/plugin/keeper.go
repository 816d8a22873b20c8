// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"log/slog"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/relay"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// drainLook is how often a program that drains is asked whether anything still runs.
const drainLook = 250 * time.Millisecond

// keeper keeps a relayed program running and attached.
type keeper struct {
	member *member
	log    *slog.Logger
	start  func(context.Context) (*relay.Child, wire.Description, error)
	dialer func(*relay.Child, wire.Description) (*attach.Dialer, error)
}

// keep goes on until ctx ends or the process is told to; then the program drains. A session ends with the process that
// it was made for, so that the core configures the next one before it asks anything of it.
func (k *keeper) keep(ctx context.Context, child *relay.Child, d wire.Description) error {
	told, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	renewing, done := context.WithCancel(context.WithoutCancel(ctx))
	var renewal sync.WaitGroup
	defer renewal.Wait()
	defer done()
	renewal.Go(func() { k.member.keepRenewed(renewing) })
	var pause attach.Backoff
	for child != nil {
		began := time.Now()
		if err := k.live(told, stop, child, d); err != nil {
			return err
		}
		if told.Err() != nil {
			return nil
		}
		k.log.Error("the program ended; starting it again")
		pause.Lived(time.Since(began))
		child, d = k.again(told, &pause)
	}
	return nil
}

// again starts the program until it serves; nil if told ends before.
func (k *keeper) again(told context.Context, pause *attach.Backoff) (*relay.Child, wire.Description) {
	for pause.Wait(told) {
		child, d, err := k.start(told)
		if err == nil {
			return child, d
		}
		k.log.Error("the program does not start; trying again", "error", err)
	}
	return nil, wire.Description{}
}

// live is one life of the program. forget makes the next signal end this process.
func (k *keeper) live(told context.Context, forget func(), child *relay.Child, d wire.Description) error {
	dialer, err := k.dialer(child, d)
	if err != nil {
		return closing(err, child)
	}
	attached, detach := context.WithCancel(context.WithoutCancel(told))
	var session sync.WaitGroup
	session.Go(func() { dialer.Run(attached) })
	select {
	case <-child.Done():
	case <-told.Done():
		forget()
		k.drain(child)
	}
	detach()
	session.Wait()
	return child.Close()
}

// drain waits until nothing runs in the program any more, for a minute at most.
func (k *keeper) drain(child *relay.Child) {
	k.log.Info("draining: what runs is finished, nothing new is accepted")
	ctx, cancel := context.WithTimeout(context.Background(), drainWithin)
	defer cancel()
	look := time.NewTicker(drainLook)
	defer look.Stop()
	for {
		running, err := wire.NewClient(child.Conn()).Drain(ctx, drainWithin)
		switch {
		case err != nil:
			k.log.Warn("the program does not drain; what it was doing is repeated when it is back", "error", err)
			return
		case running == 0:
			return
		}
		select {
		case <-look.C:
		case <-child.Done():
			return
		case <-ctx.Done():
			k.log.Warn("some work did not end in time; it is repeated when the provider is back")
			return
		}
	}
}

// closing returns err, with what closing the program says.
func closing(err error, child *relay.Child) error { return errors.Join(err, child.Close()) }
