// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/engine"
	"github.com/rhyzome/rhyzome/sdk/handshake"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// drainWithin is how long running work may take to end after SIGTERM. A second signal ends the process at once.
const drainWithin = time.Minute

func (g *program) attachCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "attach",
		Short: "Attach to the core and serve it",
		Long: "Attach to the core and serve it, until SIGTERM: then what runs is finished and nothing new is accepted.\n" +
			"The connection is made from here, so it passes a NAT; when it is lost it is made again.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return g.attach(c.Context()) },
	}
}

func (g *program) attach(ctx context.Context) error {
	s, err := g.settings()
	if err != nil {
		return err
	}
	level, err := s.level()
	if err != nil {
		return err
	}
	m, err := g.member(s, "rhyzome-"+g.description.Name)
	if err != nil {
		return err
	}
	base, err := s.base()
	if err != nil {
		return err
	}
	e := newEngine(g.provider, g.stderr, level, s.Debug)
	defer closeEngine(e)
	m.log = e.Logger()
	dialer, err := g.dialer(e.Description(), ownDigest(), s, m)
	if err != nil {
		return err
	}
	dialer.Register = func(s grpc.ServiceRegistrar) {
		e.Register(s)
		pb.RegisterCertificateServiceServer(s, m)
	}
	dialer.Linger = closeWithin
	dialer.Options = []grpc.ServerOption{grpc.ChainUnaryInterceptor(overlay(base))}
	serve(ctx, e, dialer, m)
	return nil
}

// member returns what this machine got when it joined, with command.
func (g *program) member(s settings, command string) (*member, error) {
	id, err := readIdentity(s.StateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("this machine has not joined a cloud: there is no %s; run %s join first",
			identityFile(s.StateDir), command)
	}
	if err != nil {
		return nil, err
	}
	if len(s.Core) > 0 {
		id.Core = s.Core
	}
	return newMember(id, s.StateDir, time.Now)
}

// dialer returns what attaches a provider, whose program has that digest; whoever asks says what it serves.
func (g *program) dialer(d wire.Description, digest string, s settings, m *member) (*attach.Dialer, error) {
	machine, err := s.machineID()
	if err != nil {
		return nil, err
	}
	m.machine = machine
	return &attach.Dialer{
		Addresses: m.id.Core,
		Identity:  m.current,
		Hello: attach.Hello{
			Provider: m.id.ProviderName, MachineID: machine, Plugin: d.Name, PluginVersion: d.Version,
			Versions: []int{handshake.ProtocolVersion}, Digest: digest, SDK: "go " + Version, ProcessID: d.ProcessID,
			Debug: s.Debug,
		},
		Clock: m.clock,
		Log:   m.log,
	}, nil
}

// serve keeps the provider attached until ctx ends or the process is told to; then it drains, and leaves.
func serve(ctx context.Context, e *engine.Engine, dialer *attach.Dialer, m *member) {
	told, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	attached, detach := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	work.Go(func() { dialer.Run(attached) })
	work.Go(func() { m.keepRenewed(attached) })
	notify(notifyReady, e.Logger())
	<-told.Done()
	stop()
	notify(notifyStopping, e.Logger())
	e.Logger().Info("draining: what runs is finished, nothing new is accepted")
	limit, cancel := context.WithTimeout(context.Background(), drainWithin)
	defer cancel()
	if err := e.Drain(limit); err != nil {
		e.Logger().Warn("some work did not end in time; it is repeated when the provider is back", "error", err)
	}
	closeEngine(e) // which ends the streams, so that the cores have read all when the connections end
	detach()
	work.Wait()
}
