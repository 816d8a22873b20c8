// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"context"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// askAgain is how long a call waits for a report before it asks, since one may have been lost.
const askAgain = time.Second

// verbs are what can be done with one kind of object, over one session.
type verbs[S, O any] struct {
	kind     provider.Kind
	tag      func(S) provider.Tag
	echo     func(S, []byte) S // with a handle
	observed func(*O) *provider.Observed
	reported func(core.Change) *O // nil if the change is a removal
	clean    func(O) O
	apply    func(ctx context.Context, fence uint64, spec S) (O, error)
	get      func(ctx context.Context, id string) (O, error)
	delete   func(ctx context.Context, fence uint64, tag provider.Tag) (gone bool, observed provider.Observed, err error)
}

// applied makes an object as spec says, and waits until the provider reports the outcome.
func applied[S, O any](ctx context.Context, s *Session, v verbs[S, O], fence uint64, spec S, progress provider.Progress) (O, error) {
	var none O
	want := v.tag(spec)
	ctx, handle, err := s.withHandle(ctx, want.ID)
	if err != nil {
		return none, err
	}
	reports, leave := s.waiters.join(objectKey{v.kind, want.ID})
	defer leave()
	o, err := v.apply(ctx, fence, v.echo(spec, handle))
	for {
		if err != nil {
			return none, s.fault(err)
		}
		o = v.clean(o)
		now := v.observed(&o)
		if ctx, handle, err = s.keepHandle(ctx, want.ID, handle, now.BackendHandle); err != nil {
			return none, err
		}
		if done, failure := outcome(*now, want); done {
			return o, failure
		}
		tell(progress, *now)
		o, err = next(ctx, s, v, reports, want.ID, func(now provider.Observed) bool { return advances(now, want) })
		if fault.ReasonOf(err) == fault.NoSuchObject {
			return none, fault.New(fault.Interrupted, "%s %s vanished at provider %s while it was made", v.kind, want.ID, s.provider.Name)
		}
	}
}

// outcome reports whether an object's state, as the provider answered, decides an Apply, and how.
func outcome(now provider.Observed, want provider.Tag) (done bool, failure error) {
	switch {
	case now.Generation > want.Generation:
		return true, fault.New(fault.StaleGeneration, "generation %d was asked for, and %d is there", want.Generation, now.Generation)
	case now.Phase == provider.PhaseProgressing:
		return false, nil
	case now.Phase == provider.PhaseDeleting:
		return true, fault.New(fault.Busy, "it is being deleted")
	case now.Generation < want.Generation:
		return true, fault.New(fault.Interrupted, "the provider has forgotten what it was to do")
	case now.SpecDigest != want.SpecDigest:
		return true, fault.New(fault.SpecConflict, "generation %d is there with another spec", now.Generation)
	case now.Phase == provider.PhaseReady:
		return true, nil
	}
	return true, failureOf(now)
}

// failureOf returns why an object is not as it should be.
func failureOf(o provider.Observed) error {
	if o.Failure == nil {
		return fault.New(fault.Bug, "the provider reports phase %q without a reason", o.Phase)
	}
	return o.Failure
}

// advances reports whether a report tells of progress or success of a command.
func advances(now provider.Observed, want provider.Tag) bool {
	same := now.Generation == want.Generation && now.SpecDigest == want.SpecDigest
	return same && (now.Phase == provider.PhaseProgressing || now.Phase == provider.PhaseReady)
}

// next waits for news of an object. A report is taken if it is believed. What else a report says may be older than the
// command, so the provider is asked; it is asked also when there was no report for a while.
func next[S, O any](
	ctx context.Context, s *Session, v verbs[S, O], reports <-chan core.Change, id string, believed func(provider.Observed) bool,
) (O, error) {
	var none O
	again := time.NewTimer(askAgain)
	defer again.Stop()
	take := func(c core.Change) (O, bool) {
		if o := v.reported(c); o != nil && believed(*v.observed(o)) {
			return *o, true
		}
		return none, false
	}
	select {
	case c := <-reports:
		if o, ok := take(c); ok {
			return o, nil
		}
	case <-again.C:
	case <-s.ctx.Done():
		select {
		case c := <-reports: // a provider that leaves tells how its work ended
			if o, ok := take(c); ok {
				return o, nil
			}
		default:
		}
		return none, away(s.provider.Name)
	case <-ctx.Done():
		return none, ctx.Err()
	}
	return v.get(ctx, id)
}

// deleted removes an object, and waits until nothing is left.
func deleted[S, O any](ctx context.Context, s *Session, v verbs[S, O], fence uint64, tag provider.Tag, progress provider.Progress) error {
	ctx, handle, err := s.withHandle(ctx, tag.ID)
	if err != nil {
		return err
	}
	tag.BackendHandle = handle
	reports, leave := s.waiters.join(objectKey{v.kind, tag.ID})
	defer leave()
	gone, now, err := v.delete(ctx, fence, tag)
	for !gone {
		if err != nil {
			return s.fault(err)
		}
		switch now = cleanObserved(now); now.Phase {
		case provider.PhaseDeleting:
		case provider.PhaseFailed:
			return failureOf(now)
		default:
			return fault.New(fault.Interrupted, "provider %s has forgotten that %s %s was to be deleted", s.provider.Name, v.kind, tag.ID)
		}
		tell(progress, now)
		var o O
		o, err = next(ctx, s, v, reports, tag.ID, func(now provider.Observed) bool { return now.Phase == provider.PhaseDeleting })
		gone = fault.ReasonOf(err) == fault.NoSuchObject
		now = *v.observed(&o)
	}
	return s.dropHandle(ctx, tag.ID, handle)
}

func tell(progress provider.Progress, o provider.Observed) {
	if progress != nil && o.Step != "" {
		progress(o.Step, o.Percent)
	}
}
