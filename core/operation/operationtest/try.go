// SPDX-License-Identifier: Apache-2.0

package operationtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/operation"
)

// patience bounds how long a trial waits for its operation to end.
const patience = time.Minute

// situation is one trial on its way.
type situation struct {
	world  World
	log    *slog.Logger
	plan   operation.Plan // tampered with
	op     core.Operation // as accepted
	store  *mortal
	runner *operation.Runner
	dies   func(op core.Operation, step string) bool // after this step's commit; nil for never
}

// try lets one thing happen to a fresh world's operation, and says what is wrong then.
func try(ctx context.Context, w World, trial trial, log *slog.Logger) error {
	plan, err := w.plan()
	if err != nil {
		return err
	}
	op, err := w.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	s := &situation{world: w, log: log, plan: plan, op: op, store: &mortal{Store: w.Store, died: make(chan struct{})}}
	trial.tamper(s)
	if err := s.carryOut(ctx); err != nil {
		return err
	}
	return s.judge(ctx, trial.want)
}

// carryOut runs the operation with the tampered plan. If the process dies, the next one has the true plan.
func (s *situation) carryOut(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.runner = s.newRunner(s.store, s.plan)
	s.runner.AfterStep = func(op core.Operation, step string) {
		if s.dies != nil && s.dies(op, step) {
			s.store.die()
		}
	}
	if err := s.untilEnded(ctx, s.runner, s.store.died); err != nil || !s.store.dead() {
		return err
	}
	plan, err := s.world.plan()
	if err != nil {
		return err
	}
	return s.untilEnded(ctx, s.newRunner(s.world.Store, plan), nil)
}

func (s *situation) newRunner(store core.Store, plan operation.Plan) *operation.Runner {
	noID := func() string { return "" } // it accepts nothing
	now := func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
	r := operation.NewRunner(store, now, noID, s.log)
	r.Register(plan)
	return r
}

// untilEnded runs r until the operation has ended, or the process died.
func (s *situation) untilEnded(ctx context.Context, r *operation.Runner, died <-chan struct{}) error {
	running, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- r.Run(running) }()
	err := s.watch(ctx, r, died)
	stop()
	if failure := <-ran; failure != nil && !s.store.dead() {
		err = errors.Join(err, fmt.Errorf("run: %w", failure))
	}
	return err
}

// watch looks at the operation, and wakes it whenever it waits.
func (s *situation) watch(ctx context.Context, r *operation.Runner, died <-chan struct{}) error {
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	var op core.Operation
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the operation did not end: %s", describe(op))
		case <-died:
			return nil
		case <-look.C:
		}
		var err error
		if op, err = s.stored(ctx); err != nil || op.State.Ended() {
			return err
		}
		if op.RunAt.After(time.Now()) {
			r.Wake()
		}
	}
}

func (s *situation) stored(ctx context.Context) (op core.Operation, err error) {
	err = s.world.Store.View(ctx, func(tx core.Tx) (err error) {
		op, err = tx.Operations().Get(s.op.ID)
		return err
	})
	return op, err
}

// judge compares the end of the operation, and the world, with what is wanted.
func (s *situation) judge(ctx context.Context, want core.OperationState) error {
	op, err := s.stored(ctx)
	if err != nil {
		return err
	}
	if op.State != want {
		return fmt.Errorf("the operation ended as %s, want %s", describe(op), want)
	}
	check, name := s.world.Undone, "undone"
	if want == core.OperationSucceeded {
		check, name = s.world.Done, "done"
	}
	if check == nil {
		return fmt.Errorf("the world cannot tell what %s means", name)
	}
	if err := check(ctx); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func describe(op core.Operation) string {
	text := string(op.State)
	if op.WaitingFor != "" {
		text += ", waiting for: " + op.WaitingFor
	}
	if op.Error != nil {
		text += ", " + op.Error.Code + ": " + op.Error.Detail
	}
	for _, step := range op.Steps {
		text += fmt.Sprintf("; %s: %s", step.Name, step.State)
	}
	return text
}
