// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// shelf is where the backend keeps one kind of object: R is the record, O what is observed of it.
type shelf[R, O any] struct {
	kind    provider.Kind
	records func(*data) map[string]R
	observe func(R) O
	unmake  func(R) R // marks a record as half made
}

// apply makes a record. begin checks and returns it half made, with its tag: it is written before the first step, so
// that it is found again if the process dies on the way.
func (s shelf[R, O]) apply(work steps, id string, names []string, begin func(*data, R) (R, error), finish func(R) R) (O, error) {
	var none O
	if err := work.at("", 0); err != nil {
		return none, err
	}
	err := work.b.change(s.kind, id, func(d *data) error {
		record, err := begin(d, s.records(d)[id])
		if err == nil {
			s.records(d)[id] = record
		}
		return err
	})
	if err != nil {
		return none, err
	}
	for i, name := range names {
		if err := work.at(name, 100*(i+1)/(len(names)+1)); err != nil {
			return none, err
		}
	}
	var made R
	err = work.b.change(s.kind, id, func(d *data) error {
		record, ok := s.records(d)[id]
		if !ok {
			return fault.New(fault.Interrupted, "somebody removed %s %s on the way", s.kind, id)
		}
		made = finish(record)
		s.records(d)[id] = made
		return nil
	})
	return s.observe(made), err
}

func (s shelf[R, O]) get(work steps, id string) (O, error) {
	var none O
	if err := work.at("", 0); err != nil {
		return none, err
	}
	work.b.mu.Lock()
	defer work.b.mu.Unlock()
	record, ok := s.records(&work.b.data)[id]
	if !ok {
		return none, missing(s.kind, id)
	}
	return s.observe(record), nil
}

// remove deletes a record, half made first: then it is found again if the process dies on the way.
func (s shelf[R, O]) remove(work steps, id string, free func(*data) error) error {
	if err := work.at("", 0); err != nil {
		return err
	}
	there := false
	err := work.b.change(s.kind, id, func(d *data) error {
		record, ok := s.records(d)[id]
		if !ok {
			return nil
		}
		if err := free(d); err != nil {
			return err
		}
		there = true
		s.records(d)[id] = s.unmake(record)
		return nil
	})
	if err != nil || !there {
		return err
	}
	if err := work.at(StepRemove, 50); err != nil {
		return err
	}
	return work.b.change(s.kind, id, func(d *data) error {
		delete(s.records(d), id)
		return nil
	})
}

func (s shelf[R, O]) list(work steps) ([]O, error) {
	if err := work.at("", 0); err != nil {
		return nil, err
	}
	work.b.mu.Lock()
	defer work.b.mu.Unlock()
	var all []O
	for _, record := range s.records(&work.b.data) {
		all = append(all, s.observe(record))
	}
	return all, nil
}

// nothing stands on most objects.
func nothing(*data) error { return nil }

// observe says of any object what its record says. What was not made to the end was left by a dead process.
func observe(tag provider.Tag, made bool) provider.Observed {
	o := provider.Observed{Tag: tag, Phase: provider.PhaseReady, BackendRef: "rz-" + tag.ID}
	o.BackendHandle = nil
	if !made {
		o.Phase = provider.PhaseFailed
		o.Failure = fault.New(fault.Interrupted, "the work on %s was interrupted", o.BackendRef)
	}
	return o
}

// missing is the answer for what is not there.
func missing(kind provider.Kind, id string) error {
	return fault.New(fault.NoSuchObject, "there is no %s %s", kind, id)
}
