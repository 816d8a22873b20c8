// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// lostCases are the fault matrix: what a network loses, repeats, delays or cuts, over any kind of resource.
func lostCases(k kind) []Case {
	on, id := k.drafted, k.id
	return []Case{
		{
			ID: id("LOST-001"), Level: Must, Profile: Extended, Needs: k.needs,
			Title:     "A lost answer to Apply, and the repetition, make one",
			Sentence:  sentenceIdempotent,
			Fix:       "Find what the first call made by its id, and answer with it.",
			Catches:   []string{"makes another when it is asked again"},
			CoveredBy: id("APPLY-005"),
			Run:       on(applyReplyLost),
		},
		{
			ID: id("LOST-002"), Level: Must, Profile: Extended, Needs: k.needs,
			Title:     "A lost answer to Delete, and the repetition, succeed",
			Sentence:  sentenceDeleteNothing,
			Fix:       "Treat \"not there\" as done.",
			Catches:   []string{"cannot repeat a Delete"},
			CoveredBy: id("RESTART-001"),
			Run:       on(deleteReplyLost),
		},
		{
			ID: id("LATE-001"), Level: Must, Profile: Extended, Needs: k.needs,
			Title:    "An Apply that a Delete has overtaken makes nothing",
			Sentence: sentenceDeletedFence,
			Fix:      "Remember the fence of the Delete, though there was nothing to delete.",
			Catches:  []string{"forgets a Delete of nothing"},
			Run:      on(applyHeld),
		},
		{
			ID: id("LATE-002"), Level: Must, Profile: Extended, Needs: k.needs,
			Title:    "It makes nothing in a new process either",
			Sentence: sentenceFloor,
			Fix:      "Take fence_floor as the least fence of all ids, also of those that this process never saw.",
			Catches:  []string{"trusts its own records more than the floor", "knows the fences of its own life only"},
			Run:      on(applyHeldOverDeath),
		},
		{
			ID: id("LATE-003"), Level: Must, Profile: Extended, Needs: k.needs,
			Title:    "A Delete that comes late removes nothing",
			Sentence: sentenceFenced,
			Fix:      "Compare the fence of Delete too, before you remove anything.",
			Catches:  []string{"keeps the fence that made the object", "deletes for whoever is late"},
			Run:      on(deleteHeld),
		},
		{
			ID: id("LATE-004"), Level: Must, Profile: Extended, Needs: k.needs,
			Title:     "An Apply that comes twice makes one",
			Sentence:  sentenceIdempotent,
			Fix:       "Answer the second as the first: the same fence is no lower fence.",
			Catches:   []string{"takes the same fence for an old one"},
			CoveredBy: id("APPLY-005"),
			Run:       on(applyTwice),
		},
		{
			ID: id("CUT-001"), Level: Must, Profile: Extended, Needs: k.needs,
			Title:    "Work outlives the connection, or is seen to have failed",
			Sentence: "Work that was begun MUST NOT depend on the call that began it: when the connection or the caller's deadline ends, it goes on, or is seen as PHASE_FAILED.",
			Fix:      "Do the work in the background, not on the call's context.",
			Catches:  []string{"drops its work with the connection"},
			Run:      on(applyCut),
		},
		{
			ID: id("OVERTAKE-001"), Level: Must, Profile: Extended, Needs: k.needs,
			Title:    "Delete overtakes the Apply that runs",
			Sentence: "Delete MUST stop an Apply that runs for the same object, and leave nothing of it.",
			Fix:      "Cancel the work, wait until it has ended, and remove what it made.",
			Catches:  []string{"does not stop for a Delete"},
			Run:      on(deleteOvertakes),
		},
		{
			ID: id("OVERTAKE-002"), Level: Must, Profile: Extended, Needs: k.needs,
			Title:    "Commands without order end in the last one",
			Sentence: "Whatever order commands for one object come in, what the highest fence asked for MUST be what is there in the end.",
			Fix:      "Let fences decide, in one place, and do the work for one id in turn.",
			Catches:  []string{"tries again by itself"},
			Run:      on(disorder),
		},
		{
			ID: id("RESTART-001"), Level: Must, Profile: Extended, Needs: k.needs,
			Title:    "The process may die between any two calls",
			Sentence: sentenceTagInBackend,
			Fix:      "Keep nothing in memory that an answer depends on.",
			Catches:  []string{"knows the generations of its own life only", "dies with all it has"},
			Run:      on(deathBetweenCalls),
		},
	}
}

func applyReplyLost(ctx context.Context, s *Session, k kind, d draft) error {
	_, before, err := s.listed(ctx, k, d.tag.ID)
	if err != nil {
		return err
	}
	s.made = append(s.made, madeObject{k, d.tag})
	if _, err := d.apply(ctx, s.through(loseReply), s.nextFence(), d.tag); fault.ReasonOf(err) != fault.ProviderAway {
		return fmt.Errorf("the Apply whose answer is lost: %w", orSucceeded(err))
	}
	if _, err := s.make(ctx, k, d); err != nil {
		return fmt.Errorf("the repetition: %w", err)
	}
	return s.grewByOne(ctx, k, d.tag, before)
}

// grewByOne checks that one object more is listed than before, and that it is the one.
func (s *Session) grewByOne(ctx context.Context, k kind, tag provider.Tag, before int) error {
	_, after, err := s.listed(ctx, k, tag.ID)
	if err != nil {
		return err
	}
	if after != before+1 {
		return fmt.Errorf("there were %d objects, and now there are %d; one was asked for", before, after)
	}
	return s.once(ctx, k, tag)
}

func deleteReplyLost(ctx context.Context, s *Session, k kind, d draft) error {
	if _, err := s.make(ctx, k, d); err != nil {
		return err
	}
	if _, _, err := k.delete(ctx, s.through(loseReply), s.nextFence(), d.tag); fault.ReasonOf(err) != fault.ProviderAway {
		return fmt.Errorf("the Delete whose answer is lost: %w", orSucceeded(err))
	}
	if err := s.remove(ctx, k, d.tag); err != nil {
		return fmt.Errorf("the repetition: %w", err)
	}
	return s.absent(ctx, k, d.tag.ID)
}

// hold sends an Apply that the proxy keeps.
func (s *Session) hold(ctx context.Context, k kind, d draft) (*held, error) {
	late := &held{}
	s.made = append(s.made, madeObject{k, d.tag})
	if _, err := d.apply(ctx, s.through(late.pass), s.nextFence(), d.tag); err == nil {
		return nil, errors.New("a call that the proxy holds was answered")
	}
	return late, nil
}

func applyHeld(ctx context.Context, s *Session, k kind, d draft) error {
	late, err := s.hold(ctx, k, d)
	if err != nil {
		return err
	}
	if err := s.remove(ctx, k, d.tag); err != nil {
		return err
	}
	return errors.Join(reason("the late Apply", late.release(ctx), fault.Fenced), s.stays(ctx, k, d.tag.ID))
}

func applyHeldOverDeath(ctx context.Context, s *Session, k kind, d draft) error {
	late, err := s.hold(ctx, k, d)
	if err != nil {
		return err
	}
	if err := s.remove(ctx, k, d.tag); err != nil {
		return err
	}
	if err := s.Restart(ctx); err != nil {
		return err
	}
	return errors.Join(reason("the late Apply", late.release(ctx), fault.Fenced), s.stays(ctx, k, d.tag.ID))
}

// stays checks that an object is not there, and does not appear a moment later.
func (s *Session) stays(ctx context.Context, k kind, id string) error {
	if err := s.absent(ctx, k, id); err != nil {
		return err
	}
	if err := s.pause(ctx); err != nil {
		return err
	}
	return s.absent(ctx, k, id)
}

// pause lets something happen that must not.
func (s *Session) pause(ctx context.Context) error {
	select {
	case <-time.After(10 * pollInterval):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func deleteHeld(ctx context.Context, s *Session, k kind, d draft) error {
	if _, err := s.make(ctx, k, d); err != nil {
		return err
	}
	late := &held{}
	if _, _, err := k.delete(ctx, s.through(late.pass), s.nextFence(), d.tag); err == nil {
		return errors.New("a call that the proxy holds was answered")
	}
	newer := d.tag
	newer.Generation, newer.SpecDigest = 2, digestPrefix+"2"
	if _, err := s.makeAs(ctx, k, d, newer); err != nil {
		return err
	}
	return errors.Join(reason("the late Delete", late.release(ctx), fault.Fenced), s.once(ctx, k, newer))
}

func applyTwice(ctx context.Context, s *Session, k kind, d draft) error {
	_, before, err := s.listed(ctx, k, d.tag.ID)
	if err != nil {
		return err
	}
	s.made = append(s.made, madeObject{k, d.tag})
	o, err := d.apply(ctx, s.through(sendTwice), s.nextFence(), d.tag)
	if err != nil {
		return fmt.Errorf("the same Apply, delivered twice: %w", err)
	}
	if _, err := s.settle(ctx, k, d.tag, o); err != nil {
		return err
	}
	return s.grewByOne(ctx, k, d.tag, before)
}

// cutWithin is soon enough to find work under way, if the backend takes any time at all.
const cutWithin = 2 * time.Millisecond

func applyCut(ctx context.Context, s *Session, k kind, d draft) error {
	s.made = append(s.made, madeObject{k, d.tag})
	o, err := d.apply(ctx, s.through(cutAfter(cutWithin)), s.nextFence(), d.tag)
	if err != nil && fault.ReasonOf(err) != fault.ProviderAway && fault.ReasonOf(err) != fault.Timeout {
		return fmt.Errorf("the Apply that is cut off: %w", err)
	}
	err = s.until(ctx, "the work's end, after the call that began it", func(ctx context.Context) (bool, error) {
		o, err = k.get(ctx, s.client, d.tag.ID)
		if errors.Is(err, &fault.Error{Reason: fault.NoSuchObject}) {
			return true, nil // the call never came
		}
		return o.Phase == provider.PhaseReady || o.Phase == provider.PhaseFailed, err
	})
	if err != nil {
		return err
	}
	if _, err := s.make(ctx, k, d); err != nil {
		return fmt.Errorf("the next attempt: %w", err)
	}
	return s.once(ctx, k, d.tag)
}

func deleteOvertakes(ctx context.Context, s *Session, k kind, d draft) error {
	if _, err := s.caught(ctx, k, d); err != nil {
		return err
	}
	if err := s.remove(ctx, k, d.tag); err != nil {
		return fmt.Errorf("a Delete while Apply runs: %w", err)
	}
	return s.stays(ctx, k, d.tag.ID)
}

// disorder sends commands for one id all at once. Those that come late are refused; the last Delete wins.
func disorder(ctx context.Context, s *Session, k kind, d draft) error {
	s.made = append(s.made, madeObject{k, d.tag})
	type command func(fence uint64) error
	commands := []command{}
	for range 3 {
		commands = append(commands,
			func(fence uint64) error { _, err := d.apply(ctx, s.client, fence, d.tag); return err },
			func(fence uint64) error { _, _, err := k.delete(ctx, s.client, fence, d.tag); return err },
			func(uint64) error { _, err := k.get(ctx, s.client, d.tag.ID); return err },
		)
	}
	answers := make(chan error, len(commands))
	for _, c := range commands {
		fence := s.nextFence()
		go func() { answers <- c(fence) }()
	}
	var wrong []error
	for range commands {
		wrong = append(wrong, orderly(<-answers))
	}
	if err := errors.Join(wrong...); err != nil {
		return err
	}
	if err := s.remove(ctx, k, d.tag); err != nil {
		return fmt.Errorf("the last Delete: %w", err)
	}
	return s.stays(ctx, k, d.tag.ID)
}

// orderly allows what a command may be told that others have overtaken.
func orderly(err error) error {
	switch fault.ReasonOf(err) {
	case "", fault.Fenced, fault.Busy, fault.NoSuchObject, fault.RequestCanceled, fault.Interrupted:
		return nil
	}
	return fmt.Errorf("a command that others overtook: %w", err)
}

func deathBetweenCalls(ctx context.Context, s *Session, k kind, d draft) error {
	newer := d.tag
	newer.Generation, newer.SpecDigest = 2, digestPrefix+"2"
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"Apply", func() error { _, err := s.make(ctx, k, d); return err }},
		{"Get", func() error { o, err := k.get(ctx, s.client, d.tag.ID); return errors.Join(err, same(k, o, d.tag)) }},
		{"the repeated Apply", func() error { _, err := s.make(ctx, k, d); return err }},
		{"Apply of generation 2", func() error { _, err := s.makeAs(ctx, k, d, newer); return err }},
		{"an old Apply", func() error {
			_, err := s.apply(ctx, k, d, d.tag)
			return reason("generation 1", err, fault.StaleGeneration)
		}},
		{"List", func() error { return s.once(ctx, k, newer) }},
		{"Delete", func() error { return s.remove(ctx, k, newer) }},
		{"Get of nothing", func() error { return s.absent(ctx, k, d.tag.ID) }},
		{"Delete of nothing", func() error { return s.remove(ctx, k, newer) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		if err := s.Restart(ctx); err != nil {
			return fmt.Errorf("after %s: %w", step.what, err)
		}
	}
	return nil
}

// streamLostCases are what a bad network does to streams.
func streamLostCases() []Case {
	return []Case{
		{
			ID: "WATCH-CUT-001", Level: Must, Profile: Extended,
			Title:    "A watch that was cut off begins anew, with everything",
			Sentence: sentenceSnapshot,
			Fix:      "Keep what was shown with the stream, not with the provider.",
			Catches:  []string{"shows everything once in its life"},
			Run:      watchCut,
		},
		{
			ID: "WATCH-SLOW-001", Level: Must, Profile: Extended,
			Title:    "A reader that does not read stops nobody",
			Sentence: "A reader of Watch that is slow or gone MUST NOT hold up calls, work or other readers.",
			Fix:      "Send each stream from a queue of its own, and let what changes twice before it is read be sent once.",
			Catches:  []string{"works for readers only"},
			Run:      watchUnread,
		},
		{
			ID: "WATCH-MANY-001", Level: Must, Profile: Extended,
			Title:    "Two watches both see all",
			Sentence: "Several may call Watch at once, and each MUST see everything.",
			Fix:      "Do not share one queue of changes among streams.",
			Catches:  []string{"tells one reader only"},
			Run:      watchTwice,
		},
		{
			ID: "IMAGE-CUT-001", Level: Must, Profile: Extended, Needs: wire.CapabilityImages,
			Title:    "Content that was cut off goes on where it stopped",
			Sentence: "What came before the stream of PutImage ended MUST be kept, and GetImage tell how much.",
			Fix:      "Write each chunk to the part as it comes, and report the part's length.",
			Catches:  []string{"takes what was cut off for the whole", "takes a part for the whole"},
			Run:      putCut,
		},
	}
}

func watchCut(ctx context.Context, s *Session) error {
	k, d, err := s.anyMade(ctx)
	if err != nil {
		return err
	}
	for after := range 3 {
		cut := wire.NewClient(faultProxy{ClientConnInterface: s.cc, stream: cutStream(after + 1)})
		for _, err := range cut.Watch(ctx, s.params.Heartbeat) {
			if err != nil {
				break // it is cut off
			}
		}
		err := s.watch(ctx, "the snapshot", func(e wire.Event) error {
			if o := k.event(e); o != nil && o.ID == d.tag.ID {
				return errSeen // and the watch is left
			}
			if e.SnapshotEnd {
				return fmt.Errorf("watch %d does not show the %s that the one before showed", 2*after+2, k.name)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func watchUnread(ctx context.Context, s *Session) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range 3 {
		if _, err := pb.NewProviderServiceClient(s.cc).Watch(ctx, &pb.WatchRequest{}); err != nil {
			return err
		}
	}
	for range 3 {
		if _, _, err := s.anyMade(ctx); err != nil {
			return fmt.Errorf("while nobody reads three watches: %w", err)
		}
	}
	return watchChanges(ctx, s)
}

func watchTwice(ctx context.Context, s *Session) error {
	k, err := s.offeredKind()
	if err != nil {
		return err
	}
	d, err := k.draft(ctx, s)
	if err != nil {
		return err
	}
	const readers = 2
	began, seen := make(chan struct{}, readers), make(chan error, readers)
	for range readers {
		go func() {
			seen <- s.watch(ctx, "what was made, by each of two readers", func(e wire.Event) error {
				if e.SnapshotEnd {
					began <- struct{}{}
				}
				if o := k.event(e); o != nil && o.ID == d.tag.ID && o.Phase == provider.PhaseReady {
					return errSeen
				}
				return nil
			})
		}()
	}
	for range readers {
		select {
		case <-began:
		case err := <-seen:
			return orEnded(err)
		}
	}
	if _, err := s.make(ctx, k, d); err != nil {
		return err
	}
	return allSucceed(seen, readers)
}

func orEnded(err error) error {
	if err == nil {
		return errors.New("a watch showed what was not made yet")
	}
	return err
}

func putCut(ctx context.Context, s *Session) error {
	ref, content := s.freshImage()
	cut := wire.NewClient(faultProxy{ClientConnInterface: s.cc, stream: cutStream(2)})
	if _, err := cut.PutImage(ctx, ref, 0, bytes.NewReader(content)); err == nil {
		return errors.New("an upload that was cut off was answered")
	}
	var there provider.Image
	err := s.until(ctx, "the rest of the content to be taken", func(ctx context.Context) (bool, error) {
		var err error
		there, err = s.client.GetImage(ctx, ref.SHA256)
		switch {
		case errors.Is(err, &fault.Error{Reason: fault.NoSuchObject}):
			there.OffsetBytes = 0
		case err != nil:
			return false, err
		case there.Ready || there.OffsetBytes > ref.SizeBytes:
			return false, fmt.Errorf("a part of it was sent, and there is %+v", there)
		}
		_, err = s.put(ctx, ref, there.OffsetBytes, content[there.OffsetBytes:])
		if r := fault.ReasonOf(err); r == fault.Busy || r == fault.BadState {
			return false, nil // the stream that was cut off is not over yet
		}
		return err == nil, err
	})
	if err != nil {
		return err
	}
	if there, err = s.client.GetImage(ctx, ref.SHA256); err == nil && !there.Ready {
		err = fmt.Errorf("all of it was sent, and there is %+v", there)
	}
	return errors.Join(err, s.client.DeleteImage(ctx, ref.SHA256))
}
