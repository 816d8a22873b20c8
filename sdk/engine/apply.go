// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Apply makes the object as spec says. It answers when the work is done, or soon, with the work going on.
func (r *resource[S, O]) Apply(ctx context.Context, fence uint64, spec S) (O, error) {
	var none O
	if err := r.e.accepts(); err != nil {
		return none, err
	}
	tag := r.tag(spec)
	if err := fault.Join(append(validateTag(tag), r.validate(spec)...)...); err != nil {
		return none, err
	}
	ctx = provider.WithHandle(ctx, tag.BackendHandle)
	leave, err := r.gate(ctx, tag.ID)
	if err != nil {
		return none, err
	}
	j, o, err := r.beginApply(ctx, fence, spec)
	leave()
	if j == nil {
		return o, err
	}
	return r.answer(ctx, j)
}

// beginApply decides what an Apply means: it returns the job that does it, or the answer if there is nothing to do.
func (r *resource[S, O]) beginApply(ctx context.Context, fence uint64, spec S) (j *job[O], o O, err error) {
	tag := r.tag(spec)
	if err := r.e.fences.admit(tag.ID, fence); err != nil {
		return nil, o, err
	}
	if j, err = r.joinApply(ctx, tag); j != nil || err != nil {
		return j, o, err
	}
	o, err = r.look(ctx, tag.ID)
	switch {
	case errors.Is(err, noSuchObject):
		var none O
		o = none
	case err != nil:
		return nil, o, err
	default:
		if there, err := r.compare(o, spec); there == current || err != nil {
			return nil, o, err
		}
	}
	j, err = r.start(&job[O]{tag: tag, before: o}, func(ctx context.Context, progress provider.Progress) (O, error) {
		return r.apply(ctx, spec, progress)
	})
	return j, o, err
}

// joinApply finds a job that does the same already. One that makes an older generation is stopped first.
func (r *resource[S, O]) joinApply(ctx context.Context, tag provider.Tag) (*job[O], error) {
	r.mu.Lock()
	j := r.jobs[tag.ID]
	r.mu.Unlock()
	if j == nil {
		return nil, nil
	}
	if j.deleting {
		return nil, fault.New(fault.Busy, "%s %s is being deleted", r.kind, tag.ID)
	}
	if err := inOrder(j.tag, tag); err != nil {
		return nil, err
	}
	if j.tag.Generation == tag.Generation {
		return j, nil
	}
	return nil, r.supersede(ctx, j)
}

// compare says what is to be done about an object that is there, or why its spec is refused.
func (r *resource[S, O]) compare(o O, spec S) (presence, error) {
	now, tag := r.observed(&o), r.tag(spec)
	if err := inOrder(now.Tag, tag); err != nil {
		return other, err
	}
	if now.Generation == tag.Generation && now.Phase == provider.PhaseReady {
		return current, nil
	}
	if r.change == nil {
		return other, nil
	}
	return other, fault.Join(r.change(o, spec)...)
}

func (r *resource[S, O]) supersede(ctx context.Context, j *job[O]) error {
	if !j.stop(ctx, errSuperseded) {
		return fault.New(fault.Busy, "%s %s is being worked on, and does not stop at once", r.kind, j.tag.ID)
	}
	return nil
}

// inOrder compares the tag of what is there with that of what is asked for.
func inOrder(now, asked provider.Tag) error {
	switch {
	case asked.Generation < now.Generation:
		return fault.New(fault.StaleGeneration, "generation %d was asked for, and %d is there", asked.Generation, now.Generation)
	case asked.Generation == now.Generation && asked.SpecDigest != now.SpecDigest:
		return fault.New(fault.SpecConflict, "generation %d is there with another spec", now.Generation)
	}
	return nil
}

// start runs work for one object, in the background. It is called inside the object's gate.
func (r *resource[S, O]) start(j *job[O], do func(context.Context, provider.Progress) (O, error)) (*job[O], error) {
	if err := r.e.work.begin(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(provider.WithHandle(r.e.work.jobs, j.tag.BackendHandle))
	j.cancel, j.done = cancel, make(chan struct{})
	r.mu.Lock()
	r.jobs[j.tag.ID] = j
	delete(r.failed, j.tag.ID)
	r.mu.Unlock()
	r.changed(j.tag.ID)
	go func() {
		defer r.e.work.left()
		defer cancel(nil)
		o, err := protect(r.e, r.verb(j), func() (O, error) { return do(ctx, r.progress(j)) })
		r.finish(j, o, canceled(ctx, err))
	}()
	return j, nil
}

func (r *resource[S, O]) verb(j *job[O]) string {
	switch {
	case j.deleting:
		return "delete " + string(r.kind)
	case j.operation != "":
		return "revert " + string(r.kind)
	}
	return "apply " + string(r.kind)
}

func (r *resource[S, O]) progress(j *job[O]) provider.Progress {
	return func(step string, percent int) {
		if j.report(step, percent) {
			r.changed(j.tag.ID)
		}
	}
}

// finish records how a job ended, before anybody can ask.
func (r *resource[S, O]) finish(j *job[O], o O, err error) {
	if f := fault.Of(err); f != nil {
		log := r.e.log.With(string(r.kind), j.tag.ID, "error", f, "code", f.Reason)
		if f.Err != nil {
			log = log.With("cause", f.Err)
		}
		log.Warn(r.verb(j) + " failed")
	} else if observed := r.observed(&o); observed.Phase == "" {
		observed.Phase = provider.PhaseReady
	}
	r.mu.Lock()
	j.result, j.err = r.stamp(o), err
	delete(r.jobs, j.tag.ID)
	if f := fault.Of(err); f != nil {
		r.failed[j.tag.ID] = &attempt{tag: j.tag, deleting: j.deleting, failure: f}
	}
	r.changed(j.tag.ID) // before the work counts as ended: who drains waits for both
	r.e.work.ended()    // before anybody can see that the job is over
	r.mu.Unlock()
	close(j.done)
}

// changed tells the watches that an object may look different now.
func (r *resource[S, O]) changed(id string) { r.e.watches.changed(r.kind, id) }

// answer waits a moment for a job, so that quick work needs one call only.
func (r *resource[S, O]) answer(ctx context.Context, j *job[O]) (O, error) {
	t := time.NewTimer(r.e.options.AnswerWithin)
	defer t.Stop()
	select {
	case <-j.done:
		return j.result, j.err
	case <-t.C:
		return r.show(j), nil
	case <-ctx.Done():
		return r.show(j), ctx.Err()
	}
}
