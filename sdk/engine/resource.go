// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"sync"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// resource serves one kind of resource.
type resource[S, O any] struct {
	e *Engine
	verbs[S, O]

	mu     sync.Mutex
	jobs   map[string]*job[O]
	failed map[string]*attempt
}

func newResource[S, O any](e *Engine, v verbs[S, O]) *resource[S, O] {
	return &resource[S, O]{e: e, verbs: v, jobs: map[string]*job[O]{}, failed: map[string]*attempt{}}
}

// look reads one object: the backend's word, with what is known here of work that runs or failed. While work runs the
// backend is not asked, since calls for one id are serialised. fault.NoSuchObject if there is nothing.
func (r *resource[S, O]) look(ctx context.Context, id string) (O, error) {
	if o, ok := r.working(id); ok {
		return o, nil
	}
	o, err := read(ctx, r.e, "get "+string(r.kind), wire.CallTimeout, func(ctx context.Context) (O, error) { return r.get(ctx, id) })
	absent := errors.Is(err, noSuchObject)
	if err != nil && !absent {
		return o, err
	}
	return r.overlay(id, o, !absent)
}

var noSuchObject = &fault.Error{Reason: fault.NoSuchObject}

// working shows an object that is being worked on.
func (r *resource[S, O]) working(id string) (O, bool) {
	r.mu.Lock()
	j := r.jobs[id]
	r.mu.Unlock()
	if j == nil {
		var none O
		return none, false
	}
	return r.show(j), true
}

func (r *resource[S, O]) show(j *job[O]) O {
	o := j.before
	j.overlay(r.observed(&o))
	return r.stamp(o)
}

// overlay adds to what the backend said of an object what is known here.
func (r *resource[S, O]) overlay(id string, o O, present bool) (O, error) {
	if o, ok := r.working(id); ok {
		return o, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.failed[id]
	switch {
	case last != nil && (present || !last.deleting):
		last.overlay(r.observed(&o))
	case !present:
		delete(r.failed, id) // a Delete failed, and yet it is gone
		return o, fault.New(fault.NoSuchObject, "there is no %s %s", r.kind, id)
	}
	return r.stamp(o), nil
}

func (r *resource[S, O]) stamp(o O) O {
	observed := r.observed(&o)
	if observed.ObservedAt.IsZero() {
		observed.ObservedAt = r.e.options.Now().UTC()
	}
	return o
}

// all lists the backend's objects, with what is known here. Those that work ran for meanwhile are looked at again one
// by one, so that none that was there all the time is missing.
func (r *resource[S, O]) all(ctx context.Context) ([]O, error) {
	again := r.touched(nil)
	listed, err := read(ctx, r.e, "list "+string(r.kind), wire.ListTimeout, r.list)
	if err != nil {
		return nil, err
	}
	again = r.touched(again)
	var out []O
	for _, o := range listed {
		id := r.observed(&o).ID
		if !again[id] {
			out = append(out, r.stamp(o))
		}
	}
	for id := range again {
		switch o, err := r.look(ctx, id); {
		case err == nil:
			out = append(out, o)
		case !errors.Is(err, noSuchObject):
			return nil, err
		}
	}
	return out, nil
}

// touched adds the ids of work that runs or failed.
func (r *resource[S, O]) touched(ids map[string]bool) map[string]bool {
	if ids == nil {
		ids = map[string]bool{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.jobs {
		ids[id] = true
	}
	for id := range r.failed {
		ids[id] = true
	}
	return ids
}

// gate serialises what is decided about one object.
func (r *resource[S, O]) gate(ctx context.Context, id string) (leave func(), err error) {
	return r.e.gates.enter(ctx, string(r.kind)+" "+id)
}

// stop implements Cancel.
func (r *resource[S, O]) stop(ctx context.Context, id string) wire.Outcome {
	r.mu.Lock()
	j := r.jobs[id]
	r.mu.Unlock()
	switch {
	case j == nil:
		return wire.NothingRunning
	case j.stop(ctx, errCanceled) && j.err != nil:
		return wire.Canceled
	}
	return wire.TooLate
}

// Get implements the verb: it reads one object.
func (r *resource[S, O]) Get(ctx context.Context, id string) (O, error) {
	var none O
	if err := r.e.accepts(); err != nil {
		return none, err
	}
	if err := fault.Join(append(validateID(id), validateHandle(ctx)...)...); err != nil {
		return none, err
	}
	return r.look(ctx, id)
}

// List implements the verb: it sends every object.
func (r *resource[S, O]) List(ctx context.Context, send func(O) error) error {
	if err := r.e.accepts(); err != nil {
		return r.e.status("list", err)
	}
	all, err := r.all(ctx)
	if err != nil {
		return r.e.status("list "+string(r.kind), err)
	}
	for _, o := range all {
		if err := send(o); err != nil {
			return err
		}
	}
	return nil
}
