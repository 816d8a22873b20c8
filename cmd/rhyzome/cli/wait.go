// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/client"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// waiting is the flags of every command that begins an operation.
type waiting struct {
	wait    bool
	timeout time.Duration
}

func (w *waiting) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&w.wait, "wait", "w", false, "wait until it is done, and tell how far it has come")
	w.addTimeout(cmd)
}

func (w *waiting) addTimeout(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&w.timeout, "timeout", 0, "wait at most this `TIME`, as 5m; the operation goes on")
}

// finish waits for an operation if that is wanted, else says how to, and shows it.
func (a *app) finish(cmd *cobra.Command, c *client.Client, w waiting, op client.Operation) error {
	op, err := a.follow(cmd, c, w, op)
	if err != nil {
		return err
	}
	return show(a, cmd, operations.facts, op)
}

// made waits for the operation that makes a resource if that is wanted, and shows the resource as it is then.
func made[T any](a *app, cmd *cobra.Command, t target, k kind[T], w waiting, id string, resource T, op client.Operation) error {
	_, err := a.follow(cmd, t.Client, w, op)
	if err != nil {
		return err
	}
	if w.wait {
		if resource, err = k.get(cmd.Context(), t, id); err != nil {
			return err
		}
	}
	return show(a, cmd, k.facts, resource)
}

// follow waits for an operation if that is wanted, and else says how to.
func (a *app) follow(cmd *cobra.Command, c *client.Client, w waiting, op client.Operation) (client.Operation, error) {
	if !w.wait {
		a.note(cmd, "Accepted. Wait for it: rhyzome operation wait %s", op.ID)
		return op, nil
	}
	ctx := cmd.Context()
	if w.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.timeout)
		defer cancel()
	}
	p := a.newProgress(cmd, op)
	end, err := c.Operations.Wait(ctx, op.ID, p.update)
	p.close()
	switch {
	case err == nil:
		return end, nil
	case end.State.Ended():
		return end, &unfinished{end, err}
	case cmd.Context().Err() != nil:
		a.note(cmd, "The operation goes on. Wait for it again: rhyzome operation wait %s", op.ID)
	case ctx.Err() != nil:
		return end, fault.New(fault.Timeout, "after %s it is still %s", w.timeout, describe(end)).With(operationKey, op.ID)
	}
	return end, err
}

// describe says what an operation does now.
func describe(op client.Operation) string {
	if op.WaitingFor != "" {
		return "waiting: " + op.WaitingFor
	}
	return string(op.State)
}
