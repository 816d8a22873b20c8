// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Delete removes the object. It returns nil when nothing is left, and what is observed while the work goes on.
func (r *resource[S, O]) Delete(ctx context.Context, fence uint64, id string) (*provider.Observed, error) {
	if err := r.e.accepts(); err != nil {
		return nil, err
	}
	if err := fault.Join(append(validateID(id), validateHandle(ctx)...)...); err != nil {
		return nil, err
	}
	leave, err := r.gate(ctx, id)
	if err != nil {
		return nil, err
	}
	j, err := r.beginDelete(ctx, fence, id)
	leave()
	if err != nil {
		return nil, err
	}
	o, err := r.answer(ctx, j)
	if err != nil || r.observed(&o).Phase != provider.PhaseDeleting {
		return nil, err
	}
	return r.observed(&o), nil
}

// beginDelete joins the deletion that runs, or starts one. Work that makes the object is stopped first.
func (r *resource[S, O]) beginDelete(ctx context.Context, fence uint64, id string) (*job[O], error) {
	if err := r.e.fences.admit(id, fence); err != nil {
		return nil, err
	}
	r.mu.Lock()
	running := r.jobs[id]
	r.mu.Unlock()
	if running != nil {
		if running.deleting {
			return running, nil
		}
		if err := r.supersede(ctx, running); err != nil {
			return nil, err
		}
	}
	before, err := r.look(ctx, id)
	if err != nil && !errors.Is(err, noSuchObject) {
		return nil, err
	}
	tag := r.observed(&before).Tag
	tag.ID = id
	if len(tag.BackendHandle) == 0 {
		tag.BackendHandle = provider.HandleFrom(ctx)
	}
	return r.start(&job[O]{tag: tag, deleting: true, before: before}, func(ctx context.Context, progress provider.Progress) (O, error) {
		var none O
		return none, r.delete(ctx, id, progress)
	})
}
