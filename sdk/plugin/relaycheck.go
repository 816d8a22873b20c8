// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/relay"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

func (r *relayed) checkCommand() *cobra.Command {
	c := r.command("check -- PROGRAM [ARGUMENT...]", "Try the configuration, the backend and the identity, without a core", r.check)
	c.Example = "  rhyzome relay check --no-auto-mtls -- ./provider.py"
	return c
}

// check prints what is well and returns what is not, as program.check does for a provider that has a command line.
func (r *relayed) check(ctx context.Context, p relay.Program) (err error) {
	child, d, err := r.start(ctx, p)
	if err != nil {
		return err
	}
	defer func() { err = closing(err, child) }()
	fmt.Fprintf(r.stdout, "program: %s %s\n", d.Name, d.Version)
	r.description = d.Description
	s, err := r.settings()
	if err != nil {
		return err
	}
	base, err := s.base()
	if err != nil {
		return err
	}
	if !s.Debug {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, checkWithin)
		defer cancel()
	}
	client := wire.NewClient(child.Conn())
	warnings, err := client.Configure(ctx, 1, base, 0)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	for _, w := range warnings {
		fmt.Fprintln(r.stdout, "configuration:", w)
	}
	fmt.Fprintln(r.stdout, "configuration: ok")
	if err := backendOf(ctx, client); err != nil {
		return fmt.Errorf("backend: %w", err)
	}
	fmt.Fprintln(r.stdout, "backend: ok")
	return r.checkIdentity(s, "rhyzome relay")
}

// backendOf learns from a watch how the backend is: a program that has read all of it reached it.
func backendOf(ctx context.Context, client *wire.Client) error {
	for e, err := range client.Watch(ctx, time.Second) {
		switch {
		case err != nil:
			return err
		case e.Status != nil && e.Status.State == wire.StateDegraded:
			return errors.New(e.Status.Message)
		case e.SnapshotEnd:
			return nil
		}
	}
	return ctx.Err()
}
