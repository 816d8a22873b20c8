// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/client"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// drainLookEvery is how often --wait looks.
const drainLookEvery = 500 * time.Millisecond

func (a *app) providerDrain() *cobra.Command {
	var within, timeout time.Duration
	var wait bool
	cmd := &cobra.Command{
		Use: "drain NAME", Short: "Let a provider finish its work, and take no other", Args: exactly("NAME"),
		Long: "Let a provider finish its work, and take no other: before its machine is stopped, or replaced. What it has made stays and\n" +
			"runs. It is drained when nothing is worked on any more. That outlives its process, until rhyzome provider undrain.",
		Example:           "  rhyzome provider drain hv1 --wait\n  rhyzome provider drain hv1 --within 10m",
		ValidArgsFunction: completeNames(1, namesOf(a, providers)),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			p, err := t.Providers.Drain(cmd.Context(), args[0], within)
			if err == nil && wait {
				p, err = awaitDrained(cmd.Context(), t, p, timeout)
			}
			if err != nil {
				return err
			}
			return show(a, cmd, providers.facts, p)
		},
	}
	cmd.Flags().DurationVar(&within, "within", 0, "cancel what still runs after this `TIME`, as 10m; an hour if it is not said")
	cmd.Flags().BoolVarP(&wait, "wait", "w", false, "wait until it is drained")
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "wait at most this `TIME`, as 5m; the draining goes on")
	forField(cmd, "within", "/timeout_seconds")
	return cmd
}

// awaitDrained looks until nothing runs any more.
func awaitDrained(ctx context.Context, t target, p client.Provider, most time.Duration) (client.Provider, error) {
	if most > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, most)
		defer cancel()
	}
	for p.Status.State != client.ProviderDrained {
		select {
		case <-time.After(drainLookEvery):
		case <-ctx.Done():
			return p, fault.New(fault.Timeout, "the provider %s is still %s", p.Name, p.Status.State)
		}
		var err error
		if p, err = t.Providers.Get(ctx, p.ID); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (a *app) providerUndrain() *cobra.Command {
	return &cobra.Command{
		Use: "undrain NAME", Short: "Let a provider take work again", Args: exactly("NAME"),
		Long: "Let a provider take work again. A process that drains never does: one that the core runs is started anew; elsewhere the\n" +
			"process is to be started anew on its machine.",
		Example:           "  rhyzome provider undrain hv1",
		ValidArgsFunction: completeNames(1, namesOf(a, providers)),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			p, err := t.Providers.Undrain(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return show(a, cmd, providers.facts, p)
		},
	}
}

// drain says what an operator wants, and what is still to be done when that was taken back.
func drain(p client.Provider) string {
	drains := p.Status.State == client.ProviderDraining || p.Status.State == client.ProviderDrained
	switch {
	case p.Drain != nil:
		return fmt.Sprintf("wanted since %s; take it back with: rhyzome provider undrain %s", moment(&p.Drain.At), p.Name)
	case drains && p.Local == nil:
		return "its process takes work again when it is started anew: on its machine, restart rhyzome-" + cmp.Or(p.Status.Plugin, "PLUGIN")
	}
	return ""
}
