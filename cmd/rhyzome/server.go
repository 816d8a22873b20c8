// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/rhyzome/rhyzome/cmd/rhyzome/cli"
	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/auth"
	"github.com/rhyzome/rhyzome/core/compute"
	"github.com/rhyzome/rhyzome/core/event"
	"github.com/rhyzome/rhyzome/core/image"
	"github.com/rhyzome/rhyzome/core/inventory"
	"github.com/rhyzome/rhyzome/core/local"
	"github.com/rhyzome/rhyzome/core/network"
	"github.com/rhyzome/rhyzome/core/operation"
	"github.com/rhyzome/rhyzome/core/pki"
	"github.com/rhyzome/rhyzome/core/place"
	"github.com/rhyzome/rhyzome/core/pluginhost"
	"github.com/rhyzome/rhyzome/core/project"
	"github.com/rhyzome/rhyzome/core/rest"
	"github.com/rhyzome/rhyzome/core/store"
)

func newServerCommand() *cobra.Command {
	var dev bool
	var devWith string
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Run the core",
		Long: `Run the core: the REST API for people and programs, and the attach port for providers.

The first start makes the database, the cloud's CA and the operator's token below the state directory. Sockets may be
handed over by a supervisor (LISTEN_FDS): the first is the REST API's, the second the attach port.

With --dev it is a core to develop a provider against: it begins with nothing, pretends hosts and routers with the memory
provider, and leaves nothing behind. Of a provider that was started with --debug it waits for every answer.`,
		Example: `  rhyzome server
  rhyzome server --rest-listen :8443 --advertise cloud.example.org:7443
  rhyzome server --config /etc/rhyzome/server.yaml
  rhyzome server --dev --dev-with network    # for the author of a compute provider, who has no router`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := loadServerConfig(cmd)
			if err != nil {
				return cli.CalledWrongly(err)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			if err := onlyWithDev(cmd, dev); err != nil {
				return cli.CalledWrongly(err)
			}
			if !dev {
				return serve(ctx, config, nil)
			}
			d := &devCore{service: devWith, out: cmd.OutOrStdout()}
			if err := d.check(); err != nil {
				return cli.CalledWrongly(err)
			}
			config, remove, err := devConfig(config, cmd.Flags().Changed)
			if err != nil {
				return err
			}
			return errors.Join(serve(ctx, config, d), remove())
		},
	}
	addServerFlags(cmd)
	cmd.Flags().BoolVar(&dev, "dev", false, "a core to develop against, that is gone when it ends; listens on the loopback if not told otherwise")
	cmd.Flags().StringVar(&devWith, "dev-with", "both", "with --dev: which `SERVICE` to pretend: compute, network or both")
	return cmd
}

// onlyWithDev refuses flags that a core for development has alone, and the one that it cannot have.
func onlyWithDev(cmd *cobra.Command, dev bool) error {
	switch {
	case !dev && cmd.Flags().Changed("dev-with"):
		return errors.New("--dev-with is of a core for development: give --dev, too")
	case dev && cmd.Flags().Changed("state-dir"):
		return errors.New("--dev keeps its state in a directory of its own, which goes when it ends: leave --state-dir out")
	}
	return nil
}

// serve wires the core, top to bottom, and runs it until ctx ends; with dev, what it pretends too.
func serve(ctx context.Context, config serverConfig, dev *devCore) (err error) {
	log, err := newLog(config.LogLevel)
	if err != nil {
		return cli.CalledWrongly(err)
	}
	if err := claimStateDir(config.StateDir); err != nil {
		return err
	}
	keys, err := config.pluginKeys()
	if err != nil {
		return cli.CalledWrongly(err)
	}
	restListener, attachListener, err := listen(ctx, config)
	if err != nil {
		return err
	}
	defer restListener.Close()
	defer attachListener.Close()

	// What is kept, and what may be believed.
	db, err := store.Open(ctx, filepath.Join(config.StateDir, "rhyzome.db"), now, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tokens, err := auth.Open(config.StateDir)
	if err != nil {
		return err
	}
	authority, err := pki.Open(ctx, pki.Options{
		Dir: filepath.Join(config.StateDir, "pki"), Store: db, Address: config.Advertise, Now: now, NewID: newID, Log: log,
	})
	if err != nil {
		return err
	}

	// What decides, and what is attached. Work that waits for a provider is woken when the provider is there.
	runner := operation.NewRunner(db, now, newID, log)
	runner.AfterStep = pauseAfter(os.Getenv("RHYZOME_PAUSE_AFTER"), log)
	providers := pluginhost.New(pluginhost.Options{
		Store: db, Authority: authority, Observer: inventory.New(db, runner.Wake, now, newID, log),
		Now: now, Log: log, Name: config.Advertise, OnAttach: func(string) { runner.Wake() }, Debug: dev != nil,
	})
	locals := local.New(local.Options{
		Dir: filepath.Join(config.StateDir, "providers"), Store: db, Registrar: authority, Keeper: providers, Now: now, NewID: newID, Log: log, Keys: keys,
	})
	images, err := image.New(ctx, db, filepath.Join(config.StateDir, "images"), now, newID, log)
	if err != nil {
		return err
	}
	networks := network.New(db, providers, runner, now, newID, rand.Reader)
	instances := compute.New(db, providers, runner, networks, images, now, newID)
	projects, places := project.New(db, now, newID), place.New(db, now, newID)
	runner.Register(networks.Plans()...)
	runner.Register(instances.Plans()...)

	// What people and programs see.
	handler, err := rest.New(rest.Services{
		Projects:   projects,
		Images:     images,
		Networks:   networks,
		Peers:      networks,
		Instances:  instances,
		Places:     places,
		Providers:  authority,
		CA:         authority,
		Dialling:   providers,
		Draining:   providers,
		Locals:     locals,
		Operations: runner,
		Events:     event.New(db, log),
	}, tokens, log)
	if err != nil {
		return err
	}
	api := rest.NewServer(handler, &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: authority.ServerCertificate(config.restNames()...),
	}, log)

	log.Info("core starts", "rest", restListener.Addr().String(), "attach", attachListener.Addr().String(),
		"advertise", config.Advertise, "token_file", filepath.Join(config.StateDir, auth.OperatorTokenFile))
	parts := []func(context.Context) error{
		func(ctx context.Context) error { return serveREST(ctx, api, restListener) },
		func(ctx context.Context) error { return providers.Serve(ctx, attachListener) },
		locals.Run,
		runner.Run,
	}
	if dev != nil {
		parts = append(parts, func(ctx context.Context) error { return dev.run(ctx, config, authority, places, projects) })
	}
	return run(ctx, parts...)
}

// run runs the parts until ctx ends or one of them fails, then ends the others too.
func run(ctx context.Context, parts ...func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, part := range parts {
		g.Go(func() error {
			if err := part(ctx); err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		})
	}
	return g.Wait()
}

// serveREST serves until ctx ends; requests that run then have ten seconds.
func serveREST(ctx context.Context, s *http.Server, l net.Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- s.ServeTLS(l, "", "") }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(grace); err != nil {
		return s.Close()
	}
	return nil
}

// listen takes the sockets that were handed over, or opens its own.
func listen(ctx context.Context, config serverConfig) (restListener, attachListener net.Listener, err error) {
	handed, err := activation.Listeners()
	if err != nil {
		return nil, nil, err
	}
	open := func(i int, address string) (net.Listener, error) {
		if i < len(handed) && handed[i] != nil {
			return handed[i], nil
		}
		return new(net.ListenConfig).Listen(ctx, "tcp", address)
	}
	if restListener, err = open(0, config.RESTListen); err != nil {
		return nil, nil, fmt.Errorf("rest_listen: %w", err)
	}
	if attachListener, err = open(1, config.AttachListen); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("attach_listen: %w", err), restListener.Close())
	}
	return restListener, attachListener, nil
}

// pauseAfter returns a hook that stops the runner for good after the commit of one step, named "KIND/STEP", so that a
// test can kill the core exactly there; nil for none.
func pauseAfter(point string, log *slog.Logger) func(core.Operation, string) {
	if point == "" {
		return nil
	}
	var once sync.Once
	return func(op core.Operation, step string) {
		if op.Kind+"/"+step != point {
			return
		}
		once.Do(func() { log.Warn("paused", "point", point, "operation", op.ID) })
		select {}
	}
}

func newLog(level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log_level: %q is not debug, info, warn or error", level)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: l})), nil
}

// now is the clock of the core: UTC, in the microseconds that REST shows.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func newID() string { return uuid.Must(uuid.NewV7()).String() }
