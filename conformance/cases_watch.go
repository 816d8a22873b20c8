// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// sentenceSnapshot is proven by several cases.
const sentenceSnapshot = "Watch MUST begin with everything that is there, closed by snapshot_end, and go on with changes and heartbeats."

func watchCases() []Case {
	return []Case{
		{
			ID: "WATCH-SNAPSHOT-001", Level: Must,
			Title:    "Watch begins with everything that is there",
			Sentence: sentenceSnapshot,
			Fix:      "Send what List would show, then snapshot_end, once for each Watch.",
			Catches:  []string{"shows everything twice", "sends the snapshot's end first"},
			Run:      watchSnapshot,
		},
		{
			ID: "WATCH-CHANGE-001", Level: Must,
			Title:     "Watch shows what is made and what is removed",
			Sentence:  "Watch MUST show each object that is made or changed, and each one that is gone from the backend as removed.",
			Fix:       "Compare with what the stream has shown before; poll if the backend has no events. In Go the SDK does that.",
			Catches:   []string{"shows no removal", "shows nothing after the snapshot"},
			CoveredBy: "WATCH-SLOW-001",
			Run:       watchChanges,
		},
		{
			ID: "WATCH-PROGRESS-001", Level: Must,
			Title:    "Progress never falls",
			Sentence: "percent MUST be 0 to 100 and never fall while one generation is progressing.",
			Fix:      "Report the highest value so far.",
			Catches:  []string{"falls back in its progress", "does more than all", "guesses its progress when asked"},
			Run:      watchProgress,
		},
		{
			ID: "WATCH-HEARTBEAT-001", Level: Must,
			Title:    "Heartbeats come as often as asked for",
			Sentence: "Watch MUST send heartbeats in the interval that was asked for: after three missed ones the provider counts as unreachable.",
			Fix:      "Send them from a timer of their own, not from the loop that polls the backend.",
			Catches:  []string{"has no heart"}, CoveredBy: "WATCH-HEARTBEAT-002",
			Run: watchHeartbeats,
		},
	}
}

// errSeen ends a watch that has shown what it had to.
var errSeen = errors.New("seen")

// watch calls f with each event until f returns an error; errSeen is success.
func (s *Session) watch(ctx context.Context, what string, f func(wire.Event) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.params.Timeout)
	defer cancel()
	for e, err := range s.client.Watch(ctx, s.params.Heartbeat) {
		if err == nil {
			err = f(e)
		} else if ctx.Err() != nil {
			err = fmt.Errorf("%s: not within %s", what, s.params.Timeout)
		}
		switch {
		case errors.Is(err, errSeen):
			return nil
		case err != nil:
			return err
		}
	}
	return fmt.Errorf("%s: the watch ended", what)
}

func watchSnapshot(ctx context.Context, s *Session) error {
	k, d, err := s.anyMade(ctx)
	if err != nil {
		return err
	}
	seen, places := 0, 0
	return s.watch(ctx, "the snapshot's end", func(e wire.Event) error {
		switch {
		case e.Host != nil && e.Host.ID == s.host.ID, e.Router != nil && e.Router.ID == s.router.ID:
			places++
		case e.Removed != nil:
			return fmt.Errorf("%s %s is removed before the snapshot ended", e.Removed.Kind, e.Removed.ID)
		case e.SnapshotEnd && seen == 1 && places > 0:
			return errSeen
		case e.SnapshotEnd:
			return fmt.Errorf("the snapshot showed the %s %d times, and hosts or routers %d times", k.name, seen, places)
		}
		if o := k.event(e); o != nil && o.ID == d.tag.ID {
			seen++
			return same(k, *o, d.tag)
		}
		return nil
	})
}

// anyMade makes an object of a kind that the provider offers.
func (s *Session) anyMade(ctx context.Context) (kind, draft, error) {
	k, err := s.offeredKind()
	if err != nil {
		return k, draft{}, err
	}
	d, err := k.draft(ctx, s)
	if err != nil {
		return k, d, err
	}
	_, err = s.make(ctx, k, d)
	return k, d, err
}

func watchChanges(ctx context.Context, s *Session) error {
	k, old, err := s.anyMade(ctx)
	if err != nil {
		return err
	}
	fresh, err := k.draft(ctx, s)
	if err != nil {
		return err
	}
	began, made := false, false
	return s.watch(ctx, "an object made and one removed", func(e wire.Event) error {
		o := k.event(e)
		switch {
		case e.SnapshotEnd:
			began = true
			_, err := s.apply(ctx, k, fresh, fresh.tag)
			return err
		case o != nil && o.ID == fresh.tag.ID && !began:
			return errors.New("it was shown before it was asked for")
		case o != nil && o.ID == fresh.tag.ID && o.Phase == provider.PhaseFailed:
			return failure(*o)
		case o != nil && o.ID == fresh.tag.ID && o.Phase == provider.PhaseReady && !made:
			made = true
			_, _, err := k.delete(ctx, s.client, s.nextFence(), old.tag)
			return err
		case e.Removed != nil && e.Removed.Kind == k.name && e.Removed.ID == old.tag.ID:
			if !made {
				return errors.New("it was removed before it was asked for")
			}
			return errSeen
		}
		return nil
	})
}

func watchProgress(ctx context.Context, s *Session) error {
	k, err := s.offeredKind()
	if err != nil {
		return err
	}
	d, err := k.draft(ctx, s)
	if err != nil {
		return err
	}
	percent, asked := 0, 0
	return s.watch(ctx, "the work's end", func(e wire.Event) error {
		if e.SnapshotEnd {
			_, err := s.apply(ctx, k, d, d.tag)
			return err
		}
		o := k.event(e)
		if o == nil || o.ID != d.tag.ID {
			return nil
		}
		switch {
		case o.Phase == provider.PhaseFailed:
			return failure(*o)
		case o.Phase == provider.PhaseReady:
			return errSeen
		case o.Percent < percent || o.Percent > 100:
			return fmt.Errorf("from %d %% to %d %%", percent, o.Percent)
		}
		percent = o.Percent
		now, err := k.get(ctx, s.client, d.tag.ID)
		if err == nil && now.Phase == provider.PhaseProgressing {
			if now.Percent < asked || now.Percent > 100 {
				err = fmt.Errorf("asked by Get, from %d %% to %d %%", asked, now.Percent)
			}
			asked = now.Percent
		}
		return err
	})
}

// beats is how many heartbeats in a row have to come in time.
const beats = 5

func watchHeartbeats(ctx context.Context, s *Session) error {
	var last time.Time
	seen := 0
	limit := 3 * s.params.Heartbeat
	ctx, cancel := context.WithTimeout(ctx, time.Duration(beats)*limit)
	defer cancel()
	err := s.watch(ctx, "heartbeats", func(e wire.Event) error {
		if e.Heartbeat == nil {
			return nil
		}
		now := time.Now()
		if gap := now.Sub(last); seen > 0 && gap > limit {
			return fmt.Errorf("one came %s after the other; %s was asked for", gap, s.params.Heartbeat)
		}
		last = now
		if seen++; seen == beats {
			return errSeen
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%d heartbeats: %w", seen, err)
	}
	return nil
}
