// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// backendCases look behind the provider, with hooks. The last one looks at what all others did.
func backendCases() []Case {
	return []Case{
		{
			ID: "BACKEND-DOWN-001", Level: Must,
			Title:    "A backend that is away is no empty backend",
			Sentence: "While the backend cannot be reached, Get, List, Apply and Delete MUST fail with UNAVAILABLE, BACKEND_DOWN: nothing is reported gone, and nothing is forgotten.",
			Fix:      "Return the fault BackendDown from every call that needs the backend, and connect again by yourself when it is back.",
			Catches:  []string{"takes silence for emptiness"},
			Run:      backendDown,
		},
		{
			ID: "BACKEND-GONE-001", Level: Must,
			Title:    "What somebody removed from the backend is gone",
			Sentence: sentenceReads,
			Fix:      "Answer from the backend and not from what you remember, and let Watch look at it from time to time.",
			Catches:  []string{"answers from memory"},
			Run:      goneBehind,
		},
		{
			ID: "BACKEND-RENAME-001", Level: Must,
			Title:    "What somebody renamed in the backend is what it was",
			Sentence: sentenceTagInBackend,
			Fix:      "Find an object by its tag, and let its name be for people.",
			Catches:  []string{"finds by name"},
			Run:      renamedBehind,
		},
		{
			ID: "BACKEND-FOREIGN-001", Level: Must,
			Title:    "What is not ours is left alone",
			Sentence: "Objects without our tag are somebody else's: they MUST NOT be changed, removed or listed as ours.",
			Fix:      "Look for the tag before you change or remove anything, also by a name that would fit.",
			Catches:  []string{"tidies up what is not its own"},
			Run:      foreignUntouched,
		},
	}
}

func backendDown(ctx context.Context, s *Session) error {
	if s.params.Hooks.BreakBackend == "" {
		s.limit("the parameters have no hooks break_backend and restore_backend")
		return nil
	}
	k, err := s.offeredKind()
	if err != nil {
		return err
	}
	d, err := k.draft(ctx, s)
	if err != nil {
		return err
	}
	if _, err := s.make(ctx, k, d); err != nil {
		return err
	}
	wrong := s.withoutBackend(ctx, k, d)
	if _, err := s.hook(ctx, "restore_backend", s.params.Hooks.RestoreBackend); err != nil {
		return errors.Join(wrong, err)
	}
	back := s.until(ctx, "the backend to be found again", func(ctx context.Context) (bool, error) {
		_, err := k.get(ctx, s.client, d.tag.ID)
		if errors.Is(err, &fault.Error{Reason: fault.BackendDown}) {
			return false, nil
		}
		return err == nil, err
	})
	return errors.Join(wrong, back, s.stillThere(ctx, k, d.tag.ID))
}

// withoutBackend breaks the backend, and calls what needs it.
func (s *Session) withoutBackend(ctx context.Context, k kind, d draft) error {
	if _, err := s.hook(ctx, "break_backend", s.params.Hooks.BreakBackend); err != nil {
		return err
	}
	_, getErr := k.get(ctx, s.client, d.tag.ID)
	_, _, listErr := s.listed(ctx, k, d.tag.ID)
	newer := d.tag
	newer.Generation = 2
	applied, applyErr := s.apply(ctx, k, d, newer)
	if applyErr == nil {
		applyErr = s.failure(ctx, k, applied)
	}
	_, _, deleteErr := k.delete(ctx, s.client, s.nextFence(), newer)
	return errors.Join(
		reason("Get without backend", getErr, fault.BackendDown),
		reason("List without backend", listErr, fault.BackendDown),
		reason("Apply without backend", applyErr, fault.BackendDown),
		reason("Delete without backend", deleteErr, fault.BackendDown),
	)
}

// stillThere checks that an object is listed, whatever its generation.
func (s *Session) stillThere(ctx context.Context, k kind, id string) error {
	found, _, err := s.listed(ctx, k, id)
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("the %s is listed %d times after the backend came back; it must be once", k.name, len(found))
	}
	return err
}

// failure waits for work to end, and returns what it failed with.
func (s *Session) failure(ctx context.Context, k kind, o provider.Observed) error {
	var failed error
	err := s.until(ctx, fmt.Sprintf("%s %s failed", k.name, o.ID), func(ctx context.Context) (bool, error) {
		switch o.Phase {
		case provider.PhaseFailed:
			failed = failure(o)
			return true, nil
		case provider.PhaseReady:
			return true, nil
		}
		var err error
		o, err = k.get(ctx, s.client, o.ID)
		return false, err
	})
	return errors.Join(failed, err)
}

func foreignUntouched(ctx context.Context, s *Session) error {
	if s.params.Hooks.Foreign == "" {
		s.limit("the parameters have no hook foreign")
		return nil
	}
	now, err := s.hook(ctx, "foreign", s.params.Hooks.Foreign)
	if err == nil && now != s.foreign {
		err = fmt.Errorf("before the run the hook foreign printed\n%s\nand now\n%s", s.foreign, now)
	}
	return err
}
