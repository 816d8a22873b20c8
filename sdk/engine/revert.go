// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// revert puts back what a snapshot holds. It is a job of the snapshot, and nobody else decides about the instance or
// volume until it has ended.
func (e *Engine) revert(ctx context.Context, fence uint64, id, operationID string) (provider.Snapshot, error) {
	var none provider.Snapshot
	if err := e.accepts(); err != nil {
		return none, err
	}
	f := faults(validateID(id))
	f.present("/operation_id", operationID)
	if err := fault.Join(f...); err != nil {
		return none, err
	}
	leave, err := e.snapshots.gate(ctx, id)
	if err != nil {
		return none, err
	}
	j, o, err := e.beginRevert(ctx, fence, id, operationID)
	leave()
	if j == nil {
		return o, err
	}
	return e.snapshots.answer(ctx, j)
}

// beginRevert returns the job that reverts, or the answer if there is nothing to do.
func (e *Engine) beginRevert(ctx context.Context, fence uint64, id, operationID string) (*job[provider.Snapshot], provider.Snapshot, error) {
	var none provider.Snapshot
	r := e.snapshots
	if err := e.fences.admit(id, fence); err != nil {
		return nil, none, err
	}
	r.mu.Lock()
	running := r.jobs[id]
	r.mu.Unlock()
	if running != nil {
		if running.operation == operationID {
			return running, none, nil
		}
		return nil, none, fault.New(fault.Busy, "snapshot %s is being worked on", id)
	}
	// What the last attempt failed with is of no interest here.
	o, err := read(ctx, e, "get snapshot", wire.CallTimeout, func(ctx context.Context) (provider.Snapshot, error) { return r.get(ctx, id) })
	switch {
	case err != nil:
		return nil, none, err
	case o.LastRevertOperationID == operationID:
		return nil, r.stamp(o), nil
	case o.Phase == provider.PhaseFailed:
		return nil, none, fault.New(fault.BadState, "snapshot %s is not complete", id)
	}
	subject, leave, err := e.enterSubject(ctx, fence, o)
	if err != nil {
		return nil, none, err
	}
	j, err := r.start(&job[provider.Snapshot]{tag: o.Tag, before: o, operation: operationID},
		func(ctx context.Context, progress provider.Progress) (provider.Snapshot, error) {
			defer leave()
			defer e.watches.changed(subject.kind, subject.id)
			return e.author.(provider.Snapshots).RevertSnapshot(ctx, id, operationID, progress)
		})
	if err != nil {
		leave()
	}
	return j, none, err
}

// enterSubject waits until nobody else decides about what a snapshot is of.
func (e *Engine) enterSubject(ctx context.Context, fence uint64, o provider.Snapshot) (subject key, leave func(), err error) {
	subject = key{provider.KindInstance, o.InstanceID}
	gate := e.instances.gate
	busy := func() bool { _, ok := e.instances.working(subject.id); return ok }
	if o.VolumeID != "" && e.volumes != nil {
		subject = key{provider.KindVolume, o.VolumeID}
		gate = e.volumes.gate
		busy = func() bool { _, ok := e.volumes.working(subject.id); return ok }
	}
	if leave, err = gate(ctx, subject.id); err != nil {
		return subject, nil, err
	}
	if err = e.fences.admit(subject.id, fence); err == nil && busy() {
		err = fault.New(fault.Busy, "%s %s is being worked on", subject.kind, subject.id)
	}
	if err != nil {
		leave()
	}
	return subject, leave, err
}
