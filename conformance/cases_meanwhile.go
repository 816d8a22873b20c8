// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// meanwhileCases are about what comes while something else goes on, for any kind of resource.
func meanwhileCases(k kind) []Case {
	return []Case{
		{
			ID: k.id("APPLY-008"), Level: Must, Needs: k.needs,
			Title:    "A newer generation that comes while an older one is worked on is not lost",
			Sentence: "Whatever order commands for one object come in, what the highest fence asked for MUST be what is there in the end.",
			Fix:      "Stop the work for the older generation and begin again, or refuse with BUSY until it is over: do not answer for the newer one with the older.",
			Catches:  []string{"loses what comes while it works"},
			Run:      k.drafted(newerMeanwhile),
		},
		{
			ID: k.id("FENCE-004"), Level: Must, Needs: k.needs,
			Title:    "The same fence is no lower fence",
			Sentence: sentenceFenced,
			Fix:      "Refuse what is lower than the highest fence, and let what is equal pass: one operation makes and unmakes with one fence.",
			Catches:  []string{"wants a higher fence each time"},
			Run:      k.drafted(sameFence),
		},
		{
			ID: k.id("DELETE-004"), Level: Must, Needs: k.needs,
			Title:    "Delete removes what it names, and nothing that is like it",
			Sentence: "Delete MUST remove the object with all that belongs to it, and answer with phase DELETING as long as something is left.",
			Fix:      "Compare whole ids. Names are for people and may be there twice, and ids of one minute begin alike.",
			Catches:  []string{"deletes what has the name"},
			Run:      k.drafted(deletesOnlyThis),
		},
	}
}

// underWayCases are those that one kind is enough for.
func underWayCases() []Case {
	return []Case{
		{
			ID: "PROVIDER-NUMBER-001", Level: Must,
			Title:    "Numbers keep all their bits",
			Sentence: sentenceFenced,
			Fix:      "Keep generations and fences as 64-bit integers: floating point loses the last bits, and text compares 9 with 10 the wrong way.",
			Catches:  []string{"counts fences in floating point", "compares fences as text", "counts generations in floating point", "counts generations in 32 bits"},
			Run:      wholeNumbers,
		},
		{
			ID: "PROVIDER-CONFIGURE-004", Level: Must,
			Title:    "Configure does not stop what runs",
			Sentence: "Configure MUST be idempotent.",
			Fix:      "Let work go on with the settings that it began with.",
			Catches:  []string{"stops for a configuration"},
			Run: func(ctx context.Context, s *Session) error {
				return s.outlives(ctx, func(provider.Observed) error { return s.Configure(ctx) })
			},
		},
		{
			ID: "PROVIDER-DRAIN-002", Level: Must,
			Title:    "A draining provider finishes what runs",
			Sentence: "A draining provider MUST finish what runs, and refuse new Applies with UNAVAILABLE, DRAINING.",
			Fix:      "Count what runs, and let it come to its end.",
			Catches:  []string{"stops for a drain", "counts nothing when it drains"},
			Run:      drainFinishes,
		},
		{
			ID: "WATCH-CHANGE-002", Level: Must,
			Title:    "What begins during the snapshot is not missed",
			Sentence: "Watch MUST show each object that is made or changed, and each one that is gone from the backend as removed.",
			Fix:      "Begin to listen for changes before you take the snapshot.",
			Catches:  []string{"misses what happens during a snapshot"},
			Run:      watchDuringSnapshot,
		},
		{
			ID: "WATCH-HEARTBEAT-002", Level: Must,
			Title:    "Heartbeats come while work goes on",
			Sentence: "Watch MUST send heartbeats in the interval that was asked for: after three missed ones the provider counts as unreachable.",
			Fix:      "Send them from a timer of their own, which waits for no lock that work holds.",
			Catches:  []string{"has no heart while it works"},
			Run:      heartbeatsAtWork,
		},
	}
}

// underWay begins work and returns the draft of an object that is seen to be worked on, if the backend is slow enough.
func (s *Session) underWay(ctx context.Context, k kind, d draft) (draft, provider.Observed, error) {
	o, err := s.caught(ctx, k, d)
	for attempt := 1; err == nil && o.Phase == provider.PhaseReady && attempt < catchAttempts; attempt++ {
		if err := s.remove(ctx, k, d.tag); err != nil {
			return d, o, err
		}
		d.tag = s.newTag()
		o, err = s.caught(ctx, k, d)
	}
	if err == nil && o.Phase == provider.PhaseReady {
		s.tooQuick()
	}
	return d, o, err
}

// tooQuick says the limit of a case that is about work that goes on.
func (s *Session) tooQuick() {
	s.limit("the work was over before it could be interrupted: give the backend a setting that slows it down")
}

func newerMeanwhile(ctx context.Context, s *Session, k kind, d draft) error {
	d, _, err := s.underWay(ctx, k, d)
	if err != nil {
		return err
	}
	newer := asGeneration(d.tag, 2)
	var o provider.Observed
	err = s.until(ctx, "the newer generation to be taken", func(ctx context.Context) (bool, error) {
		o, err = s.apply(ctx, k, d, newer)
		if fault.ReasonOf(err) == fault.Busy {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return fmt.Errorf("the newer generation: %w", err)
	}
	if _, err := s.settle(ctx, k, newer, o); err != nil {
		return err
	}
	return s.ready(ctx, k, newer)
}

func sameFence(ctx context.Context, s *Session, k kind, d draft) error {
	fence := s.nextFence()
	s.remember(k, d.tag)
	o, err := d.apply(ctx, s.client, fence, d.tag)
	if err != nil {
		return err
	}
	if _, err := s.settle(ctx, k, d.tag, o); err != nil {
		return err
	}
	if _, _, err := k.delete(ctx, s.client, fence, d.tag); err != nil {
		return fmt.Errorf("a Delete with the fence of the Apply: %w", err)
	}
	return s.vanished(ctx, k, d.tag)
}

func deletesOnlyThis(ctx context.Context, s *Session, k kind, d draft) error {
	if s.atMost(2) < 2 {
		return nil
	}
	other, err := k.draft(ctx, s)
	if err != nil {
		return err
	}
	for _, each := range []draft{d, other} {
		if _, err := s.make(ctx, k, each); err != nil {
			return err
		}
	}
	if err := s.vanished(ctx, k, d.tag); err != nil {
		return err
	}
	if err := s.ready(ctx, k, other.tag); err != nil {
		return fmt.Errorf("the other %s, after one was deleted: %w", k.name, err)
	}
	return nil
}

// The numbers that are the first to be lost: beyond 2^53 floating point has no odd ones.
const (
	largeGeneration = 1<<53 + 1
	largeFence      = 1<<60 + 1
	shortFence      = 9 // as text it is higher than all that begin with 1 to 8
)

func wholeNumbers(ctx context.Context, s *Session) error {
	k, err := s.offeredKind()
	if err != nil {
		return err
	}
	d, err := k.draft(ctx, s)
	if err != nil {
		return err
	}
	large := asGeneration(d.tag, largeGeneration)
	if _, err := s.makeAs(ctx, k, d, large); err != nil {
		return err
	}
	_, stale := s.apply(ctx, k, d, asGeneration(d.tag, largeGeneration-1))
	wrong := reason("a generation that is lower by one", stale, fault.StaleGeneration)
	next := asGeneration(d.tag, largeGeneration+1)
	s.dirty = true // its fences are too high for what comes later
	s.remember(k, next)
	o, err := d.apply(ctx, s.client, largeFence, next)
	if err == nil {
		_, err = s.settle(ctx, k, next, o)
	}
	_, byOne := d.apply(ctx, s.client, largeFence-1, asGeneration(d.tag, largeGeneration+2))
	_, short := d.apply(ctx, s.client, shortFence, asGeneration(d.tag, largeGeneration+2))
	return errors.Join(wrong, err,
		reason("a fence that is lower by one", byOne, fault.Fenced),
		reason("a fence of one digit", short, fault.Fenced),
		s.Restart(ctx), s.once(ctx, k, next))
}

// outlives checks that work goes on to its end, whatever happens meanwhile.
func (s *Session) outlives(ctx context.Context, happens func(provider.Observed) error) error {
	k, err := s.offeredKind()
	if err != nil {
		return err
	}
	d, err := k.draft(ctx, s)
	if err != nil {
		return err
	}
	d, o, err := s.underWay(ctx, k, d)
	if err != nil {
		return err
	}
	if err := happens(o); err != nil {
		return err
	}
	if o, err = k.get(ctx, s.client, d.tag.ID); err != nil {
		return err
	}
	_, err = s.settle(ctx, k, d.tag, o)
	return err
}

func drainFinishes(ctx context.Context, s *Session) error {
	s.dirty = true
	err := s.outlives(ctx, func(before provider.Observed) error {
		running, err := s.client.Drain(ctx, s.params.Timeout)
		if err != nil {
			return err
		}
		k, err := s.offeredKind()
		if err != nil {
			return err
		}
		now, err := k.get(ctx, s.client, before.ID)
		if err == nil && now.Phase == provider.PhaseProgressing && running == 0 {
			err = errors.New("work goes on, and Drain counts none")
		}
		return err
	})
	return errors.Join(err, s.Restart(ctx))
}

func watchDuringSnapshot(ctx context.Context, s *Session) error {
	k, err := s.offeredKind()
	if err != nil {
		return err
	}
	d, err := k.draft(ctx, s)
	if err != nil {
		return err
	}
	begun := false
	return s.watch(ctx, "what was made during the snapshot", func(e wire.Event) error {
		if !begun {
			begun = true
			_, err := s.apply(ctx, k, d, d.tag)
			return err
		}
		o := k.event(e)
		switch {
		case o == nil || o.ID != d.tag.ID:
			return nil
		case o.Phase == provider.PhaseFailed:
			return failure(*o)
		case o.Phase == provider.PhaseReady:
			return errSeen
		}
		return nil
	})
}

// heartbeatsAtWork changes one object without a break, as long as heartbeats are counted.
func heartbeatsAtWork(ctx context.Context, s *Session) error {
	k, d, err := s.anyMade(ctx)
	if err != nil {
		return err
	}
	counted := make(chan error, 1)
	var done sync.WaitGroup
	done.Go(func() { counted <- watchHeartbeats(ctx, s) })
	defer done.Wait()
	for generation := int64(2); ; generation++ {
		select {
		case err := <-counted:
			return err
		default:
		}
		d.tag = asGeneration(d.tag, generation)
		if _, err := s.make(ctx, k, d); err != nil {
			return err
		}
	}
}
