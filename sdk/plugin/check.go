// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"
)

// checkWithin is how long configuration and backend may take.
const checkWithin = 30 * time.Second

func (g *program) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Try the configuration, the backend and the identity, without a core",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return g.check(c.Context()) },
	}
}

// check prints what is well and returns what is not.
func (g *program) check(ctx context.Context) error {
	s, err := g.settings()
	if err != nil {
		return err
	}
	level, err := s.level()
	if err != nil {
		return err
	}
	base, err := s.base()
	if err != nil {
		return err
	}
	e := newEngine(g.provider, g.stderr, level, s.Debug)
	defer closeEngine(e)
	if !s.Debug {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, checkWithin)
		defer cancel()
	}
	if err := e.Configure(ctx, string(base), nil, 0); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	fmt.Fprintln(g.stdout, "configuration: ok")
	if err := g.provider.Check(ctx); err != nil {
		return fmt.Errorf("backend: %w", err)
	}
	fmt.Fprintln(g.stdout, "backend: ok")
	return g.checkIdentity(s, "rhyzome-"+g.description.Name)
}

// checkIdentity prints what this machine got when it joined, with command.
func (g *program) checkIdentity(s settings, command string) error {
	id, err := readIdentity(s.StateDir)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(g.stdout, "identity: none yet; run %s join\n", command)
		return nil
	}
	if err != nil {
		return err
	}
	m, err := newMember(id, s.StateDir, time.Now)
	if err != nil {
		return err
	}
	leaf := m.current().Certificate.Leaf
	if m.expired() {
		fmt.Fprintf(g.stdout, "identity: provider %s, expired at %s; attach renews it within 90 days of that, later join with a new token\n",
			id.ProviderName, leaf.NotAfter.Format(time.RFC3339))
		return nil
	}
	fmt.Fprintf(g.stdout, "identity: provider %s, until %s, renewed by itself\n", id.ProviderName, leaf.NotAfter.Format(time.RFC3339))
	return nil
}
