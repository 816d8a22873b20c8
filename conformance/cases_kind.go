// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// catchAttempts is how often work is begun to find it half done: on a loaded machine it is soon over before anybody looks.
const catchAttempts = 10

// duplicates is how often the same Apply is sent at once.
const duplicates = 20

// Sentences of the contract that several cases prove.
const (
	sentenceIdempotent    = "The id is the idempotency key: one Apply sent many times at once MUST make one object."
	sentenceFenced        = "A call with a lower fence than one seen before for its id MUST be refused with ABORTED, FENCED."
	sentenceDeletedFence  = "The highest fence MUST be kept for deleted ids too, so that a late Apply never resurrects what was deleted."
	sentenceFloor         = "The first Configure of a process MUST make fence_floor the floor of all fences."
	sentenceReads         = "Get and List MUST read the backend, and Get of nothing MUST answer NOT_FOUND, NO_SUCH_OBJECT."
	sentenceDeleteNothing = "Delete of nothing MUST succeed."
	sentenceTagInBackend  = "The tag MUST lie in the backend, so that a new process finds what a dead one made."
)

// kindCases are what every kind of resource has to do right.
func kindCases(k kind) []Case {
	on, id := k.drafted, k.id
	return []Case{
		{
			ID: id("APPLY-001"), Level: Must, Needs: k.needs,
			Title:    "Apply makes what was asked for",
			Sentence: "Apply MUST make the object as its spec says, and Get and List MUST show it with the tag that it was given.",
			Fix:      "Keep id, generation and spec_digest with the object in the backend as they came, and fill Observed from there, once for each object.",
			Catches:  []string{"does not say when it looked", "lists everything twice", "shows its own digest from the second look on", "gives handles of a size of its own", "is ready before it is"},
			Run:      on(applyMakes),
		},
		{
			ID: id("APPLY-002"), Level: Must, Needs: k.needs,
			Title:    "Apply may be repeated",
			Sentence: "Apply of what is READY in the same generation and with the same digest MUST change nothing.",
			Fix:      "Look what is there before you make anything. In Go the SDK asks Get first and does not call you again.",
			Catches:  []string{"makes another name of it when it is asked again", "makes it anew when repeated"},
			Run:      on(applyRepeats),
		},
		{
			ID: id("APPLY-003"), Level: Must, Needs: k.needs,
			Title:    "Same generation with another spec is a conflict",
			Sentence: "Apply of the same generation with another digest MUST be refused with ALREADY_EXISTS, SPEC_CONFLICT.",
			Fix:      "Compare the digest that came with the digest that you kept; do not compute one of your own.",
			Catches:  []string{"keeps the digest that it refuses", "ignores digests", "says the right thing with the wrong code"},
			Run:      on(applyConflicts),
		},
		{
			ID: id("APPLY-004"), Level: Must, Needs: k.needs,
			Title:    "An older generation is stale",
			Sentence: "Apply of an older generation than the backend holds MUST be refused with FAILED_PRECONDITION, STALE_GENERATION.",
			Fix:      "Keep the generation with the object, and compare before you work.",
			Catches:  []string{"keeps the generation that it refuses", "ignores old generations"},
			Run:      on(applyStale),
		},
		{
			ID: id("APPLY-005"), Level: Must, Needs: k.needs,
			Title:    "Concurrent duplicates are one",
			Sentence: sentenceIdempotent,
			Fix:      "Do the work for one id in turn: a lock for each id around look and make.",
			Catches:  []string{"makes concurrent duplicates"},
			Run:      on(applyDuplicates),
		},
		{
			ID: id("APPLY-006"), Level: Must, Needs: k.needs,
			Title:    "A malformed command is refused, field by field",
			Sentence: "A malformed command or spec MUST be refused with INVALID_ARGUMENT, INVALID_FIELD, and a JSON pointer for each field at fault.",
			Fix:      "Check all fields first and report all faults at once, as BadRequest.field_violations: \"/generation\".",
			Catches:  []string{"names one fault of a command", "takes malformed commands", "knows ids in any case"},
			Run:      on(applyMalformed),
		},
		{
			ID: id("APPLY-007"), Level: Must, Needs: k.needs,
			Title:     "A newer generation takes its place",
			Sentence:  "Apply of a newer generation MUST take the place of the older one, and the provider MUST keep the digest that came with it.",
			Fix:       "Change the object to the new spec, then write the new generation and digest with it.",
			Catches:   []string{"ignores new generations"},
			CoveredBy: id("RESTART-001"),
			Run:       on(applyNewer),
		},
		{
			ID: id("FENCE-001"), Level: Must, Needs: k.needs,
			Title:    "A lower fence is refused",
			Sentence: sentenceFenced,
			Fix:      "Remember the highest fence for each id, of Apply, Delete, Cancel and every other mutating call, and compare before you work.",
			Catches:  []string{"cancels for whoever is late", "ignores fences"},
			Run:      on(fenceRefuses),
		},
		{
			ID: id("FENCE-002"), Level: Must, Needs: k.needs,
			Title:    "A late Apply does not resurrect what was deleted",
			Sentence: sentenceDeletedFence,
			Fix:      "Do not forget an id's fence when the object is gone; what has to be evicted raises the floor.",
			Catches:  []string{"forgets the fences of what is deleted"},
			Run:      on(fenceOutlivesDelete),
		},
		{
			ID: id("FENCE-003"), Level: Must, Needs: k.needs,
			Title:     "The first Configure sets the floor",
			Sentence:  sentenceFloor,
			Fix:       "Start each process with that floor: it stands for all fences that the dead process knew.",
			Catches:   []string{"has no floor"},
			CoveredBy: id("LATE-002"),
			Run:       on(fenceFloor),
		},
		{
			ID: id("GET-001"), Level: Must, Needs: k.needs,
			Title:    "Get of nothing is NOT_FOUND",
			Sentence: sentenceReads,
			Fix:      "Return the fault NoSuchObject, not an empty object and not an error of your own.",
			Catches:  []string{"has words of its own for nothing", "finds what is not there"},
			Run:      func(ctx context.Context, s *Session) error { return s.absent(ctx, k, s.runner.NewID()) },
		},
		{
			ID: id("DELETE-001"), Level: Must, Needs: k.needs,
			Title:     "Delete of nothing succeeds",
			Sentence:  sentenceDeleteNothing,
			Fix:       "Treat \"not there\" as done: the answer to an earlier Delete may have been lost.",
			Catches:   []string{"cannot delete nothing"},
			CoveredBy: id("RESTART-001"),
			Run:       func(ctx context.Context, s *Session) error { return deletesNothing(ctx, s, k) },
		},
		{
			ID: id("DELETE-002"), Level: Must, Needs: k.needs,
			Title:     "Delete leaves nothing, and may be repeated",
			Sentence:  "Delete MUST remove the object with all that belongs to it, and answer with phase DELETING as long as something is left.",
			Fix:       "Remove the tag last, so that the object is listed until nothing is left, and only then answer without an object.",
			Catches:   []string{"forgets to delete", "gets what it deleted once more"},
			CoveredBy: id("RESTART-001"),
			Run:       on(deleteLeavesNothing),
		},
		{
			ID: id("DELETE-003"), Level: Must, Needs: k.needs,
			Title:    "Delete works after Applies that were refused",
			Sentence: "Delete MUST work in whatever state the object is, also after Applies that were refused or failed.",
			Fix:      "Let Delete depend on what lies in the backend only, not on how it came there.",
			Catches:  []string{"cannot delete after a refusal"},
			Run:      on(deleteAfterRefusal),
		},
		{
			ID: id("LIST-001"), Level: Must, Needs: k.needs,
			Title:    "A new process finds what the old one made",
			Sentence: sentenceTagInBackend,
			Fix:      "Write the tag into the backend's own metadata, a comment, or a file beside it, and let List read that, not a map in memory.",
			Catches:  []string{"calls its objects after its process", "keeps its objects in memory"},
			Run:      on(listAfterDeath),
		},
		{
			ID: id("LIST-002"), Level: Must, Needs: k.needs,
			Title:    "What a dead process left half made is listed, and can be finished",
			Sentence: "The tag MUST be written before the first side effect, so that List shows what a dead process left half made, and Apply MUST finish it.",
			Fix:      "Write the tag first. What is tagged and not whole is PHASE_FAILED with the reason INTERRUPTED, and Apply starts again.",
			Catches:  []string{"writes the tag last", "calls ready what a dead process left"},
			Run:      on(halfMade),
		},
	}
}

func applyMakes(ctx context.Context, s *Session, k kind, d draft) error {
	if _, err := s.make(ctx, k, d); err != nil {
		return err
	}
	o, err := k.get(ctx, s.client, d.tag.ID)
	if err != nil {
		return err
	}
	switch {
	case o.ObservedAt.IsZero():
		return errors.New("what Get returns does not say when it was observed")
	case o.Phase != provider.PhaseReady:
		return fmt.Errorf("it was ready, and Get says %q", o.Phase)
	case len(o.BackendHandle) > maxHandle:
		return fmt.Errorf("its handle has %d bytes; at most %d are kept", len(o.BackendHandle), maxHandle)
	}
	return errors.Join(same(k, o, d.tag), s.once(ctx, k, d.tag))
}

func applyRepeats(ctx context.Context, s *Session, k kind, d draft) error {
	first, err := s.make(ctx, k, d)
	if err != nil {
		return err
	}
	_, before, err := s.listed(ctx, k, d.tag.ID)
	if err != nil {
		return err
	}
	second, err := s.make(ctx, k, d)
	if err != nil {
		return fmt.Errorf("the repetition: %w", err)
	}
	if first.BackendRef != second.BackendRef {
		return fmt.Errorf("the repetition made %q of %q", second.BackendRef, first.BackendRef)
	}
	_, after, err := s.listed(ctx, k, d.tag.ID)
	if err != nil {
		return err
	}
	if before != after {
		return fmt.Errorf("there were %d objects, and after the repetition %d", before, after)
	}
	return s.once(ctx, k, d.tag)
}

func applyConflicts(ctx context.Context, s *Session, k kind, d draft) error {
	if _, err := s.make(ctx, k, d); err != nil {
		return err
	}
	other := d.tag
	other.SpecDigest = "sha256:conformance-other"
	_, err := s.apply(ctx, k, d, other)
	return errors.Join(reason("same generation, other digest", err, fault.SpecConflict), s.once(ctx, k, d.tag))
}

func applyStale(ctx context.Context, s *Session, k kind, d draft) error {
	current := d.tag
	current.Generation = 5
	if _, err := s.makeAs(ctx, k, d, current); err != nil {
		return err
	}
	older := d.tag
	older.Generation = 4
	_, err := s.apply(ctx, k, d, older)
	return errors.Join(reason("older generation", err, fault.StaleGeneration), s.once(ctx, k, current))
}

func applyDuplicates(ctx context.Context, s *Session, k kind, d draft) error {
	_, before, err := s.listed(ctx, k, d.tag.ID)
	if err != nil {
		return err
	}
	s.remember(k, d.tag)
	fence := s.nextFence()
	answers := make(chan error, duplicates)
	for range duplicates {
		go func() {
			_, err := d.apply(ctx, s.client, fence, d.tag)
			answers <- err
		}()
	}
	if err := allSucceed(answers, duplicates); err != nil {
		return err
	}
	if _, err := s.make(ctx, k, d); err != nil {
		return err
	}
	_, after, err := s.listed(ctx, k, d.tag.ID)
	if err != nil {
		return err
	}
	if after != before+1 {
		return fmt.Errorf("%d duplicates made %d objects", duplicates, after-before)
	}
	return s.once(ctx, k, d.tag)
}

func applyMalformed(ctx context.Context, s *Session, k kind, d draft) error {
	bad := provider.Tag{ID: "not-a-uuid"}
	_, err := d.apply(ctx, s.client, s.nextFence(), bad)
	if err := reason("a malformed tag", err, fault.InvalidField); err != nil {
		return err
	}
	fields := fault.Of(err).Fields
	for _, want := range []string{"/id", "/generation", "/spec_digest"} {
		if !slices.ContainsFunc(fields, func(v fault.FieldViolation) bool { return v.Field == want && v.Description != "" }) {
			return fmt.Errorf("the refusal does not name %s: %v", want, fields)
		}
	}
	for _, id := range []string{strings.ToUpper(d.tag.ID), "{" + d.tag.ID + "}", d.tag.ID + " ", d.tag.ID[:8], "../" + d.tag.ID} {
		alias := d.tag
		alias.ID = id
		_, applyErr := d.apply(ctx, s.client, s.nextFence(), alias)
		_, getErr := k.get(ctx, s.client, id)
		err := errors.Join(
			reason(fmt.Sprintf("Apply with the id %q", id), applyErr, fault.InvalidField),
			reason(fmt.Sprintf("Get with the id %q", id), getErr, fault.InvalidField),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

func applyNewer(ctx context.Context, s *Session, k kind, d draft) error {
	if _, err := s.make(ctx, k, d); err != nil {
		return err
	}
	newer := d.tag
	newer.Generation, newer.SpecDigest = 2, "sha256:conformance-2"
	if _, err := s.makeAs(ctx, k, d, newer); err != nil {
		return err
	}
	return s.once(ctx, k, newer)
}

func fenceRefuses(ctx context.Context, s *Session, k kind, d draft) error {
	old := s.nextFence()
	if _, err := s.make(ctx, k, d); err != nil {
		return err
	}
	newer := d.tag
	newer.Generation = 2
	_, applyErr := d.apply(ctx, s.client, old, newer)
	_, _, deleteErr := k.delete(ctx, s.client, old, d.tag)
	_, cancelErr := s.client.Cancel(ctx, k.name, d.tag.ID, old)
	return errors.Join(
		reason("Apply with a lower fence", applyErr, fault.Fenced),
		reason("Delete with a lower fence", deleteErr, fault.Fenced),
		reason("Cancel with a lower fence", cancelErr, fault.Fenced),
		s.once(ctx, k, d.tag),
	)
}

func fenceOutlivesDelete(ctx context.Context, s *Session, k kind, d draft) error {
	if _, err := s.make(ctx, k, d); err != nil {
		return err
	}
	late := s.nextFence()
	if err := s.remove(ctx, k, d.tag); err != nil {
		return err
	}
	_, err := d.apply(ctx, s.client, late, d.tag)
	return errors.Join(reason("a late Apply", err, fault.Fenced), s.absent(ctx, k, d.tag.ID))
}

func fenceFloor(ctx context.Context, s *Session, k kind, d draft) error {
	late := s.nextFence()
	s.nextFence()
	if err := s.Restart(ctx); err != nil {
		return err
	}
	_, err := d.apply(ctx, s.client, late, d.tag)
	return errors.Join(reason("an Apply from before the restart", err, fault.Fenced), s.absent(ctx, k, d.tag.ID))
}

func deletesNothing(ctx context.Context, s *Session, k kind) error {
	tag := s.newTag()
	for range 2 {
		if err := s.remove(ctx, k, tag); err != nil {
			return fmt.Errorf("delete of nothing: %w", err)
		}
	}
	return nil
}

func deleteLeavesNothing(ctx context.Context, s *Session, k kind, d draft) error {
	if _, err := s.make(ctx, k, d); err != nil {
		return err
	}
	for range 2 {
		if err := s.remove(ctx, k, d.tag); err != nil {
			return err
		}
		if err := s.absent(ctx, k, d.tag.ID); err != nil {
			return err
		}
	}
	return nil
}

func deleteAfterRefusal(ctx context.Context, s *Session, k kind, d draft) error {
	if _, err := s.make(ctx, k, d); err != nil {
		return err
	}
	conflict := d.tag
	conflict.SpecDigest = "sha256:conformance-other"
	for range 3 {
		_, err := s.apply(ctx, k, d, conflict)
		if err := reason("same generation, other digest", err, fault.SpecConflict); err != nil {
			return err
		}
	}
	if err := s.remove(ctx, k, d.tag); err != nil {
		return err
	}
	return s.absent(ctx, k, d.tag.ID)
}

func listAfterDeath(ctx context.Context, s *Session, k kind, d draft) error {
	before, err := s.make(ctx, k, d)
	if err != nil {
		return err
	}
	if err := s.Restart(ctx); err != nil {
		return err
	}
	if err := s.once(ctx, k, d.tag); err != nil {
		return err
	}
	o, err := k.get(ctx, s.client, d.tag.ID)
	if err != nil {
		return err
	}
	if o.Phase != provider.PhaseReady || o.BackendRef != before.BackendRef {
		return fmt.Errorf("it was ready as %q, and is %q as %q", before.BackendRef, o.Phase, o.BackendRef)
	}
	if _, err := s.make(ctx, k, d); err != nil {
		return fmt.Errorf("the repetition in a new process: %w", err)
	}
	if err := s.remove(ctx, k, d.tag); err != nil {
		return err
	}
	return s.absent(ctx, k, d.tag.ID)
}

// caught applies a draft, and returns what is observed when work is seen to go on, or is over already.
func (s *Session) caught(ctx context.Context, k kind, d draft) (o provider.Observed, err error) {
	fence := s.nextFence()
	s.remember(k, d.tag)
	answered := make(chan error, 1)
	client := s.client
	go func() {
		_, err := d.apply(ctx, client, fence, d.tag)
		answered <- err
	}()
	err = s.until(ctx, "work that can be interrupted", func(ctx context.Context) (bool, error) {
		select {
		case err := <-answered:
			if err != nil {
				return false, err
			}
		default:
		}
		o, err = k.get(ctx, client, d.tag.ID)
		if errors.Is(err, &fault.Error{Reason: fault.NoSuchObject}) {
			return false, nil
		}
		begun := err != nil || o.Generation == d.tag.Generation
		return begun && (o.Phase != provider.PhaseProgressing || o.Percent > 0), err
	})
	return o, err
}

// whole checks what is called ready although its process died half way. A backend may have finished it by itself; where
// the provider offers no verification, nobody can tell, and the next Apply would change nothing.
func (s *Session) whole(ctx context.Context, d draft) error {
	if !s.description.Offers(wire.CapabilityVerify) {
		s.limit("it was ready at once after its process had died half way, and the provider offers no verify that could tell whether it is")
		return nil
	}
	drifts, err := s.client.Verify(ctx, d.spec(d.tag))
	if err == nil && len(drifts) > 0 {
		err = fmt.Errorf("it is called ready, and Verify finds %+v", drifts)
	}
	return err
}

func halfMade(ctx context.Context, s *Session, k kind, d draft) error {
	d, o, err := s.underWay(ctx, k, d)
	if err != nil {
		return err
	}
	if err := s.Restart(ctx); err != nil {
		return err
	}
	if err := s.once(ctx, k, d.tag); err != nil {
		return fmt.Errorf("the process died at %q, %d %%: %w", o.Step, o.Percent, err)
	}
	left, err := k.get(ctx, s.client, d.tag.ID)
	if err != nil {
		return err
	}
	if left.Phase != provider.PhaseReady && left.Phase != provider.PhaseFailed {
		return fmt.Errorf("nothing runs, and it says %q", left.Phase)
	}
	if left.Phase == provider.PhaseFailed && fault.ReasonOf(left.Failure) != fault.Interrupted {
		return fmt.Errorf("it was interrupted, and says: %w", failure(left))
	}
	if left.Phase == provider.PhaseReady {
		if err := s.whole(ctx, d); err != nil {
			return fmt.Errorf("the process died at %q, %d %%: %w", o.Step, o.Percent, err)
		}
	}
	if _, err := s.make(ctx, k, d); err != nil {
		return fmt.Errorf("the next attempt: %w", err)
	}
	return s.once(ctx, k, d.tag)
}
